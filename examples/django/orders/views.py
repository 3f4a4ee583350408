import json

from django.db import transaction
from django.http import JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET, require_POST

from .models import Order
from .tasks import process_order, send_order_confirmation


@require_POST
def create_order(request):
    """Creates the order, leaves the slow work to the workers and answers at once."""
    new = json.loads(request.body)
    with transaction.atomic():
        order = Order.objects.create(email=new["email"], card=new["card"])
        for product_id, quantity in new["lines"]:
            order.lines.create(product_id=product_id, quantity=quantity)
    confirmation = send_order_confirmation.delay(order.id)
    processing = process_order.delay(order.id)
    return JsonResponse(
        {"order": order.id, "confirmation": confirmation.id, "processing": processing.id}, status=202
    )


@require_GET
def show_order(request, order_id):
    order = get_object_or_404(Order, id=order_id)
    return JsonResponse({"order": order.id, "status": order.status})
