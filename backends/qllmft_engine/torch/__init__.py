"""The engine in operations of torch: state vectors on any device, and circuits as functions of torch."""
