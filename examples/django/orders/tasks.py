"""The shop's tasks, as they were when Python ran them.

Callers use these declarations as ever. What a call runs is decided by `CELERY_TASK_ROUTES`: the worker of its queue, in
`../worker.rs`, knows tasks of the same names.
"""

from celery import shared_task
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import F

from .models import Order, Product
from .payments import PaymentUnavailable, charge


@shared_task(bind=True, autoretry_for=(PaymentUnavailable,), retry_backoff=1, max_retries=5)
def process_order(self, order_id):
    order = Order.objects.get(id=order_id)
    order.status = Order.Status.PROCESSING
    order.save()
    charge(order, self.request.retries + 1)
    with transaction.atomic():
        for line in order.lines.all():
            Product.objects.filter(id=line.product_id).update(stock=F("stock") - line.quantity)
        order.status = Order.Status.COMPLETED
        order.save()
    return order.status


@shared_task
def send_order_confirmation(order_id):
    order = Order.objects.get(id=order_id)
    text = f"Thank you for your order #{order.id}!"
    send_mail(f"Order Confirmation #{order.id}", text, "orders@example.com", [order.email])
    return order.email
