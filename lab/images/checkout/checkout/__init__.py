"""The lab's checkout service: real dependencies and deadlines; settings can make it bad."""
