//! The shop's data, in memory: it stands for the database that your application has.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::models::{Order, OrderLine, OrderStatus, Price, Product};

/// Why the shop did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShopError {
    /// No order has this number.
    #[error("there is no order #{0}")]
    NoSuchOrder(u64),
    /// No product has this number.
    #[error("there is no product {0}")]
    NoSuchProduct(u32),
    /// Not enough pieces left.
    #[error("only {left} of `{product}` are left")]
    OutOfStock {
        /// Its name.
        product: String,
        /// How many there are.
        left: u32,
    },
}

/// The shop's products and orders. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Shop {
    data: Arc<Mutex<Data>>,
}

#[derive(Debug, Default)]
struct Data {
    products: BTreeMap<u32, Product>,
    orders: BTreeMap<u64, Order>,
}

impl Shop {
    /// A shop that sells tea.
    pub fn with_tea() -> Self {
        let shop = Self::default();
        for (id, name, cents) in [(1, "Assam, 250 g", 1290), (2, "Darjeeling, 100 g", 1850), (3, "Tea pot", 3400)] {
            let product = Product {
                id,
                name: name.to_owned(),
                price: Price::cents(cents),
                description: format!("{name}, from the shop of the examples"),
                stock: 100,
            };
            shop.data().products.insert(id, product);
        }
        shop
    }

    /// Places an order of `lines`, each a product and how many of it, to be paid with `card`.
    ///
    /// # Errors
    ///
    /// [`ShopError::NoSuchProduct`].
    pub fn place_order(&self, email: &str, card: &str, lines: &[(u32, u32)]) -> Result<Order, ShopError> {
        let mut data = self.data();
        let lines = lines.iter().map(|&(product, quantity)| data.line(product, quantity)).collect::<Result<_, _>>()?;
        let id = data.orders.last_key_value().map_or(1, |(last, _)| last + 1);
        let order = Order { id, email: email.to_owned(), card: card.to_owned(), status: OrderStatus::New, lines };
        data.orders.insert(id, order.clone());
        Ok(order)
    }

    /// The order with this number, as it is now.
    ///
    /// # Errors
    ///
    /// [`ShopError::NoSuchOrder`].
    pub fn order(&self, id: u64) -> Result<Order, ShopError> {
        self.data().orders.get(&id).cloned().ok_or(ShopError::NoSuchOrder(id))
    }

    /// Marks an order as being processed, unless it is completed already, and returns it.
    ///
    /// # Errors
    ///
    /// [`ShopError::NoSuchOrder`].
    pub fn begin(&self, id: u64) -> Result<Order, ShopError> {
        let mut data = self.data();
        let order = data.orders.get_mut(&id).ok_or(ShopError::NoSuchOrder(id))?;
        if order.status == OrderStatus::New {
            order.status = OrderStatus::Processing;
        }
        Ok(order.clone())
    }

    /// Takes what was ordered out of the stock and marks the order as completed, both at once and only once:
    /// a task may run again after a crash, and must not sell twice.
    ///
    /// # Errors
    ///
    /// [`ShopError::NoSuchOrder`], [`ShopError::OutOfStock`].
    pub fn complete(&self, id: u64) -> Result<(), ShopError> {
        let mut data = self.data();
        let order = data.orders.get(&id).cloned().ok_or(ShopError::NoSuchOrder(id))?;
        if order.status == OrderStatus::Completed {
            return Ok(());
        }
        data.take_from_stock(&order.lines)?;
        data.orders.entry(id).and_modify(|order| order.status = OrderStatus::Completed);
        Ok(())
    }

    /// How many orders are in this state.
    pub fn count(&self, status: OrderStatus) -> usize {
        self.data().orders.values().filter(|order| order.status == status).count()
    }

    fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Data {
    fn line(&self, product: u32, quantity: u32) -> Result<OrderLine, ShopError> {
        let found = self.products.get(&product).ok_or(ShopError::NoSuchProduct(product))?;
        Ok(OrderLine { product, name: found.name.clone(), quantity, price: found.price.times(quantity) })
    }

    fn take_from_stock(&mut self, lines: &[OrderLine]) -> Result<(), ShopError> {
        let mut products = self.products.clone();
        for line in lines {
            let product = products.get_mut(&line.product).ok_or(ShopError::NoSuchProduct(line.product))?;
            product.stock = product
                .stock
                .checked_sub(line.quantity)
                .ok_or(ShopError::OutOfStock { product: product.name.clone(), left: product.stock })?;
        }
        self.products = products;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_taken_out_of_the_stock_once() {
        let shop = Shop::with_tea();
        let order = shop.place_order("ann@example.com", "4242", &[(1, 60)]).unwrap();
        shop.complete(order.id).unwrap();
        shop.complete(order.id).unwrap();
        assert_eq!(shop.data().products[&1].stock, 40);
        assert_eq!(shop.begin(order.id).unwrap().status, OrderStatus::Completed);
    }

    #[test]
    fn an_order_of_more_than_there_is_changes_nothing() {
        let shop = Shop::with_tea();
        let order = shop.place_order("ann@example.com", "4242", &[(2, 1), (1, 101)]).unwrap();
        let error = shop.complete(order.id).unwrap_err();
        assert_eq!(error.to_string(), "only 100 of `Assam, 250 g` are left");
        assert_eq!(shop.data().products[&2].stock, 100);
    }
}
