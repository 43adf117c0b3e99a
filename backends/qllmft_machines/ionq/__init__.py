"""IonQ: simulators and trapped ions in the cloud."""
