"""A payment service to practise with: some card numbers are for tests."""

REFUSED_CARD = "4000 0000 0000 0002"
SLOW_CARD = "4000 0000 0000 0119"


class PaymentUnavailable(Exception):
    """Trying again later may help."""


class CardRefused(Exception):
    """Trying again will not help."""


def charge(order, attempt):
    if order.card == REFUSED_CARD:
        raise CardRefused(f"the card ending in {order.card[-4:]} was refused")
    if order.card == SLOW_CARD and attempt < 3:
        raise PaymentUnavailable("the payment service does not answer")
