"""A real single-node Kubernetes on one Linux machine, without Docker, from package registries alone.

Main flow of `python3 -m modelyard_local up` (standard library only: it runs before any environment exists):
`preflight` looks before anything changes -> `cluster` draws the graph of steps -> `steps` runs it,
and every step brings one part from whatever state it is in to the wanted one.

Rooms
  __main__      the command line
  paths         where everything lives (state, cache, the project's root)
  errors        the one exception: what failed, which log says why, what to do
  commands      running a program and reading its output
  progress      one line per step, with elapsed time
  steps         a graph of idempotent steps, run in parallel where they are independent
  layout        names, addresses and ports of the cluster
  preflight     what this machine lacks, each with its remedy
  sockets       who listens where
  packages      the distribution's packages (containerd, runc, buildah, ...)
  tools         Go programs built from local/tools/<family>, cached outside the clone
  pki           certificate authorities and certificates (openssl)
  kubeconfig    kubeconfig files
  api           a small client of the API server
  processes     start, watch and stop exactly the processes that we started
  components    arguments of etcd and the control plane's programs
  controlplane  a control plane on loopback, no root: for integration tests
  simulation    nodes without a machine: kube-scheduler and KWOK on such a control plane
  audit         who sent which request, by the API server's own log
  daemons       every process of the cluster: arguments, files, health
  nodefiles     configuration of containerd, CNI, kubelet, kube-proxy, CoreDNS, registry
  network       bridge, sysctls, guard rules; and their removal
  firewall      which iptables rules are ours, and the script that removes them
  objects       Kubernetes objects every cluster needs (DNS Service, RBAC)
  gpu           advertised accelerators and their labels
  store         the local image store (buildah)
  baseimage     Debian with Python, from debootstrap
  context       what a Dockerfile copies, and the hash of it
  images        image builds, pushes, and the references to use
  preload       images on the node before their first pod
  cluster       up: the graph of steps
  teardown      down: remove everything, then prove it
  status        the table of parts
"""

__version__ = "0.1.0"
