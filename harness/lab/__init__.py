"""The lab: a real Kubernetes cluster in network namespaces of this machine, made to be broken."""
