"""Truck scales as an adapter for Drawbar."""
