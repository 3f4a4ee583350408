"""What stays in Python: a library that Rust does not have, or code that nobody wants to write again."""

import os
from decimal import Decimal

from celery import Celery

url = os.environ.get("QUEUE_URL", "redis://localhost:6379/0")
app = Celery("billing", broker=url, backend=url)
app.conf.task_default_queue = "billing"


class UnknownCurrency(Exception):
    pass


@app.task(name="billing.convert")
def convert(amount, currency):
    """The amount in euros, as a decimal."""
    rates = {"EUR": Decimal(1), "CZK": Decimal("0.04")}
    if currency not in rates:
        raise UnknownCurrency(currency)
    return Decimal(amount) * rates[currency]


@app.task(name="billing.invoice", bind=True)
def invoice(self, order_id, *, lines):
    """An invoice's text; says how far it is."""
    text = [f"Invoice for order #{order_id}"]
    for number, (name, price) in enumerate(lines, 1):
        text.append(f"  {name}: {price}")
        self.update_state(state="WRITING", meta={"lines": number, "of": len(lines)})
    return "\n".join(text)
