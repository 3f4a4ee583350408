from django.db import migrations

TEA = [("Darjeeling, 100 g", "12.90"), ("Assam, 250 g", "19.05"), ("Teapot", "34.00")]


def add_products(apps, schema_editor):
    product = apps.get_model("orders", "Product")
    for name, price in TEA:
        product.objects.create(name=name, price=price, stock=100)


class Migration(migrations.Migration):
    dependencies = [("orders", "0001_initial")]
    operations = [migrations.RunPython(add_products, migrations.RunPython.noop)]
