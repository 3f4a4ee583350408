//! A payment service to practise with. As with real ones, some card numbers are for tests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::models::Order;

/// A card that pays.
pub const GOOD_CARD: &str = "4242 4242 4242 4242";
/// A card that is always refused.
pub const REFUSED_CARD: &str = "4000 0000 0000 0002";
/// A card at whose first two charges the service does not answer.
pub const SLOW_CARD: &str = "4000 0000 0000 0119";

/// Why a payment did not come.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PaymentError {
    /// Trying again later may help.
    #[error("the payment service does not answer")]
    Unavailable,
    /// Trying again will not help.
    #[error("the card ending in {last4} was refused")]
    Refused {
        /// Its last four digits.
        last4: String,
    },
}

/// The payment service. Clones share what it remembers.
#[derive(Debug, Clone, Default)]
pub struct Payments {
    attempts: Arc<Mutex<HashMap<u64, u32>>>,
}

impl Payments {
    /// Charges an order's card. The order's number is the key under which the service knows the charge, so
    /// that asking twice pays once.
    ///
    /// # Errors
    ///
    /// [`PaymentError`].
    pub fn charge(&self, order: &Order) -> Result<(), PaymentError> {
        let attempt = self.next_attempt(order.id);
        match order.card.as_str() {
            REFUSED_CARD => Err(PaymentError::Refused { last4: REFUSED_CARD[15..].to_owned() }),
            SLOW_CARD if attempt <= 2 => Err(PaymentError::Unavailable),
            _ => Ok(()),
        }
    }

    /// How often an order's charge was asked for.
    pub fn attempts(&self, order_id: u64) -> u32 {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).get(&order_id).copied().unwrap_or(0)
    }

    fn next_attempt(&self, order_id: u64) -> u32 {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let attempt = attempts.entry(order_id).or_default();
        *attempt += 1;
        *attempt
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::Shop;

    #[test]
    fn the_slow_card_pays_at_the_third_charge() {
        let order = Shop::with_tea().place_order("ann@example.com", SLOW_CARD, &[(1, 1)]).unwrap();
        let payments = Payments::default();
        let answers = [payments.charge(&order), payments.charge(&order), payments.charge(&order)];
        assert_eq!(answers, [Err(PaymentError::Unavailable), Err(PaymentError::Unavailable), Ok(())]);
    }

    #[test]
    fn the_refused_card_is_named_by_its_last_digits() {
        let order = Shop::with_tea().place_order("bob@example.com", REFUSED_CARD, &[(1, 1)]).unwrap();
        let error = Payments::default().charge(&order).unwrap_err();
        assert_eq!(error.to_string(), "the card ending in 0002 was refused");
    }
}
