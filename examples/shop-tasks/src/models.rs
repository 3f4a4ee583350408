//! What the shop knows: products, orders and their prices. Plain data.

use std::fmt;

use serde::{Serialize, Serializer};

/// An amount of money in cents; shown and serialised as a decimal with two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Cents.
    pub cents: u64,
}

impl Price {
    /// So many cents.
    pub const fn cents(cents: u64) -> Self {
        Self { cents }
    }

    /// The price of `quantity` pieces.
    pub fn times(self, quantity: u32) -> Self {
        Self::cents(self.cents.saturating_mul(u64::from(quantity)))
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.cents / 100, self.cents % 100)
    }
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Something to buy.
#[derive(Debug, Clone, Serialize)]
pub struct Product {
    /// What orders name it by.
    pub id: u32,
    /// For people.
    pub name: String,
    /// Of one piece.
    pub price: Price,
    /// For people.
    pub description: String,
    /// How many pieces are there.
    pub stock: u32,
}

/// How far an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderStatus {
    /// Placed.
    New,
    /// Its payment is being asked for.
    Processing,
    /// Paid, and taken out of the stock.
    Completed,
}

/// One line of an order.
#[derive(Debug, Clone, Serialize)]
pub struct OrderLine {
    /// Which product.
    pub product: u32,
    /// Its name.
    pub name: String,
    /// How many of it.
    pub quantity: u32,
    /// What these cost together.
    pub price: Price,
}

/// What a customer ordered.
#[derive(Debug, Clone, Serialize)]
pub struct Order {
    /// Its number.
    pub id: u64,
    /// Whom to write to.
    pub email: String,
    /// The number of the card to charge.
    #[serde(skip)]
    pub card: String,
    /// How far it is.
    pub status: OrderStatus,
    /// What was ordered.
    pub lines: Vec<OrderLine>,
}

impl Order {
    /// What all lines cost together.
    pub fn total(&self) -> Price {
        Price::cents(self.lines.iter().map(|line| line.price.cents).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::Price;

    #[test]
    fn a_price_has_two_places() {
        assert_eq!(Price::cents(1905).to_string(), "19.05");
        assert_eq!(Price::cents(250).times(3).to_string(), "7.50");
    }
}
