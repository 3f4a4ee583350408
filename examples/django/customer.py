"""Orders over HTTP as customers do, waits for what the workers make of it, prints it and checks it.

Usage: customer.py http://127.0.0.1:8000
"""

import json
import os
import sys
import urllib.request
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
django.setup()

from celery.result import AsyncResult
from django.conf import settings

from orders.models import Order, Product
from orders.payments import REFUSED_CARD, SLOW_CARD, CardRefused

CUSTOMERS = [
    ("ann@example.com", "4242 4242 4242 4242"),
    ("bob@example.com", SLOW_CARD),  # the payment service does not answer at first: retried
    ("cyd@example.com", REFUSED_CARD),  # fails for good
]


def ask(url, data=None):
    request = urllib.request.Request(url, json.dumps(data).encode() if data else None)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def main(server):
    placed = []
    for email, card in CUSTOMERS:
        answer = ask(f"{server}/orders", {"email": email, "card": card, "lines": [[1, 2], [3, 1]]})
        print(f"POST /orders  order #{answer['order']} of {email} is accepted")
        placed.append((email, answer))

    completed = 0
    for email, answer in placed:
        to = AsyncResult(answer["confirmation"]).get(timeout=30)
        assert to == email, to
        try:
            status = AsyncResult(answer["processing"]).get(timeout=30)
            completed += 1
        except CardRefused as refused:
            # Whatever language the worker is written in, Python raises its own class.
            status = f"not completed: {refused}"
        shown = ask(f"{server}/orders/{answer['order']}")
        print(f"order #{answer['order']}: confirmed to {to}; {status}; the page says {shown['status']}")

    mails = [path.read_text() for path in Path(settings.EMAIL_FILE_PATH).iterdir()]
    for email, answer in placed:
        subject = f"Subject: Order Confirmation #{answer['order']}"
        assert any(subject in mail and email in mail for mail in mails), f"no mail with {subject}"
    assert Order.objects.filter(status=Order.Status.COMPLETED).count() == completed == 2
    assert Product.objects.get(id=1).stock == 96, "two pieces of each completed order are taken out of the stock"
    print(f"django: {len(placed)} orders, {completed} completed, 1 card refused, {len(mails)} e-mails")


if __name__ == "__main__":
    main(sys.argv[1])
