"""The machines under a cluster: what can be done to them in the lab, in Docker and on EC2."""
