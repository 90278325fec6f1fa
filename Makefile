# The menu: `make` or `make help` lists it. Targets are short; what takes more than a line or two
# lies in a script or a program, where it can be read and tested.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

OUT := $${CARGO_TARGET_DIR:-target}

##@ Start here

.PHONY: help
help: ## This menu
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo

# own: a cluster with a node when root, so that the operator is a pod; none: the operator is a process;
# current: the cluster of the current kubeconfig context.
CLUSTER ?= own

# podman: containers of this machine; vm: virtual machines of ARCH, x86_64 or aarch64, as root.
DEVICES ?= podman
ARCH ?= x86_64
DEMO_DEVICES_podman :=
AGENT_INSIDE = $(OUT)/$(ARCH)-unknown-linux-gnu/agent/fleet-agent
DEMO_DEVICES_vm = --devices vm --arch $(ARCH) --agent $(AGENT_INSIDE) \
	--vm-image $$(cargo run --locked --quiet -p fleet-tools -- vm-image $(ARCH))

.PHONY: demo
demo: demo-servers demo-devices build ## The whole platform with devices on this machine; CLUSTER=own, none or current, DEVICES=podman or vm
	$(OUT)/debug/fleet-demo --cluster $(CLUSTER) $(DEMO_DEVICES_$(DEVICES))

.PHONY: demo-auto
demo-auto: demo-servers demo-devices build ## The same without a person: apply, upgrade, move, power cut, delete
	$(OUT)/debug/fleet-demo --auto --cluster $(CLUSTER) $(DEMO_DEVICES_$(DEVICES))

# The agent for inside is one static program: it does not ask which libraries are there.
.PHONY: demo-devices
demo-devices: ## What the demo's devices are made of: with DEVICES=vm packages, the agent for ARCH and a disk image
	@case $(DEVICES)-$(ARCH) in \
		podman-*) ;; \
		vm-x86_64) tools/system-packages.sh --with-machines && tools/static.sh fleet-agent x86_64 ;; \
		vm-aarch64) tools/system-packages.sh --with-machines && tools/cross-aarch64.sh ;; \
		*) echo "DEVICES is podman or vm, ARCH x86_64 or aarch64" >&2; exit 2 ;; \
	esac

##@ Build

.PHONY: setup
setup: ## System packages and third-party servers; without root, prints what to run as root
	tools/system-packages.sh
	cargo run --locked --quiet -p fleet-tools -- ensure

# Building a kubelet would only keep people waiting for the demo.
.PHONY: servers
servers: ## The part of `make setup` that the demo needs
	tools/system-packages.sh
	cargo run --locked --quiet -p fleet-tools -- ensure --profile walking

# As root, the operator of the demo is a pod that Helm installs.
.PHONY: demo-servers
demo-servers: servers ## The same for the demo: as root, a node and Helm too
	@if [ "$(CLUSTER)" = own ] && [ "$$(id -u)" = 0 ]; then \
		cargo run --locked --quiet -p fleet-tools -- ensure --profile node; \
	fi
	@if [ "$(CLUSTER)" != none ]; then cargo run --locked --quiet -p fleet-tools -- path helm >/dev/null; fi
	@# OpenBao, a third of the chain by which devices log in; the other two are ours.
	cargo run --locked --quiet -p fleet-tools -- ensure --profile identity

.PHONY: build
build: ## All programs
	cargo build --locked --workspace --bins

.PHONY: release
release: ## The same, optimized; the agent as one static program
	cargo build --locked --release --bins -p fleet-operator -p fleet-auth -p fleet-cli -p fleet-e2e \
		-p fleet-loadtest
	@# By itself, so that it gets its own few features and not those of its neighbours; and beside the
	@# others, where the benchmarks look.
	@# Packed relocations: fewer pages of its own in memory. A C library older than glibc 2.36 links
	@# such a program into one that cannot start, so it is started once.
	cargo rustc --locked --profile agent -p fleet-agent --bin fleet-agent -- \
		-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs
	$(OUT)/agent/fleet-agent --version
	install $(OUT)/agent/fleet-agent $(OUT)/release/fleet-agent

.PHONY: cross
cross: ## The agent for aarch64, static
	tools/cross-aarch64.sh

.PHONY: images
images: ## Container images for amd64 and arm64 in target/images; into podman where it is there
	@# All that both need, once; from here on nothing may ask the network.
	cargo fetch --locked --quiet
	CARGO_NET_OFFLINE=true cargo run --locked --quiet -p fleet-images -- build --load --out $(OUT)/images

.PHONY: generate
generate: ## Write the committed generated files anew from the types
	UPDATE_GENERATED=1 cargo test --quiet -p fleet-api -p fleet-chartgen -p fleet-gitops -p fleet-cli --test drift

.PHONY: package
package: ## The charts as packages with checksums in target/charts; signed where FLEET_CHART_SIGNING_KEY names a key of gpg
	cargo run --locked --quiet -p fleet-chartgen -- package --out $(OUT)/charts

# More after it, such as ARGS='--before -n my-namespace'.
ARGS ?=

.PHONY: doctor
doctor: ## What is wrong with the cluster of the current kubeconfig context, before and after an installation
	@cargo run --locked --quiet -p fleet-cli -- doctor $(ARGS)

##@ Check

.PHONY: test
test: ## Everything that every change must pass
	.ci/test.sh

.PHONY: test-full
test-full: ## The same, and what takes longer: outages of ten minutes, the benchmarks
	.ci/test.sh full

.PHONY: test-devices
test-devices: ## How machines become devices: hosts in containers, virtual machines on QEMU; a part of `make test`
	tools/system-packages.sh --with-machines
	cargo test --locked -p fleet-devices-core -p fleet-devices

# Each world from its seed; SEEDS of them, from FROM on.
SEEDS ?= 2000
FROM ?= 0

.PHONY: sim
sim: ## SEEDS=n simulated worlds of operators and devices under faults; prints the seeds that failed
	cargo run --locked --quiet --release -p fleet-sim -- --seeds $(SEEDS) --from $(FROM)

.PHONY: attacks
attacks: servers build ## Every attack that must fail, by name, and what refused it; a part of `make test`
	$(OUT)/debug/fleet-attacks

.PHONY: faults
faults: servers build ## Every fault of docs/reliability.md on real servers, 100 kills of the operator among them
	.ci/faults.sh

.PHONY: skew
skew: servers ## REF=<tag or commit>: an upgrade from that version and the way back, with agents and operators of both at once
	tools/skew.sh $(REF)

.PHONY: alerts
alerts: ## Every alert against series that should and should not set it off, by Prometheus' own promtool, which it builds first: minutes, once
	cargo run --locked --quiet -p fleet-tools -- ensure --profile alerts
	cargo run --locked --quiet -p fleet-tools -- path helm >/dev/null
	cargo test --locked -p fleet-e2e --test chart_metrics firing -- --nocapture

.PHONY: e2e-cluster
e2e-cluster: setup build ## The platform as pods, from helm install through what happens to clusters; needs root
	cargo test --locked -p fleet-e2e --test cluster -- --nocapture

.PHONY: e2e-argocd
e2e-argocd: servers ## The manifests of gitops/ on a real Argo CD, which it builds first: five minutes, once
	tools/system-packages.sh --with-gitops
	cargo run --locked --quiet -p fleet-tools -- ensure --profile node
	cargo run --locked --quiet -p fleet-tools -- ensure --profile gitops
	cargo build --locked --bins -p fleet-operator -p fleet-agent -p fleet-auth
	@# Each has an Argo CD of its own, of a third of a gigabyte.
	FLEET_ARGOCD=1 cargo test --locked -p fleet-e2e --test argocd -- --nocapture --test-threads=2

.PHONY: lint
lint: ## Format, clippy, licences, duplicates, known vulnerabilities
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	tools/deny.sh

.PHONY: fmt
fmt: ## Format all sources
	cargo fmt --all

##@ Measure

.PHONY: bench-agent
bench-agent: servers release ## Memory, processor time and size of an idle agent; last line JSON
	$(OUT)/release/fleet-bench agent

.PHONY: bench-agent-soak
bench-agent-soak: servers release ## Two hours of an agent whose Deployment changes and whose container is killed; last line JSON
	$(OUT)/release/fleet-bench soak

.PHONY: bench-loop
bench-loop: servers release ## From apply to an HTTP answer, beside podman run; last line JSON
	$(OUT)/release/fleet-bench loop

.PHONY: bench-callout
bench-callout: servers release ## Verdicts of the auth callout, a fleet that comes back, a denied device; last line JSON
	$(OUT)/release/fleet-bench callout

.PHONY: bench-sizing
bench-sizing: servers release ## Memory and processor time of the platform's programs for 100 and 1,000 devices; last line JSON
	$(OUT)/release/fleet-bench sizing

# More hosts or fewer: make bench-devices HOSTS='--hosts 5 --parallel 5'.
HOSTS ?= --hosts 20 --parallel 20

.PHONY: bench-devices
bench-devices: servers release ## Set-up of 20 hosts at once, containers with sshd, and what takes the time; last line JSON
	cargo build --locked --bins -p fleet-operator -p fleet-agent -p fleet-auth -p fleet-cli
	cargo bench --locked --profile dev -p fleet-devices --bench hosts -- $(HOSTS) --agent $(OUT)/release/fleet-agent

# With the disk image made anew, too: make bench-machines MACHINES=--from-nothing.
MACHINES ?=

.PHONY: bench-machines
bench-machines: ## A virtual machine of ARCH, from nothing to a container that answers, and after a power cut; last line JSON
	$(MAKE) demo-servers demo-devices build CLUSTER=none DEVICES=vm
	$(OUT)/debug/fleet-bench machines --arch $(ARCH) --agent $(AGENT_INSIDE) $(MACHINES)

# Sizes and times of a run; another size: make bench-churn CHURN='--devices 1000 --deployments 100 --seconds 30'.
# A little more often than once a second each, for who still has a report on its way waits with the next.
CHURN ?= --devices 10000 --deployments 1000 --seconds 120 --hertz 1.05
FANOUT ?= --devices 10000 --deployments 10 --seconds 60
STORM ?= --devices 10000 --deployments 10 --seconds 15 --connections each
MANY ?= --devices 10000 --deployments 1000 --seconds 120
LABELS ?= --devices 10000 --deployments 1000 --seconds 60 --moves 20
SOAK ?= --devices 1000 --deployments 100 --seconds 7200 --connections each --hertz 0.1 --changes 0.2 --moves 1
FAILOVER ?= --devices 1000 --deployments 100 --seconds 300 --nats 3

.PHONY: bench-churn
bench-churn: servers release ## 10,000 simulated devices report once a second, statuses held against a recount; last line JSON
	$(OUT)/release/fleet-loadtest run churn $(CHURN)

.PHONY: bench-fanout
bench-fanout: servers release ## A change for 10,000 simulated devices, until each has applied it; last line JSON
	$(OUT)/release/fleet-loadtest run fanout $(FANOUT)

.PHONY: bench-storm
bench-storm: servers release ## The bus dies and 10,000 simulated devices come back, each on its connection; last line JSON
	$(OUT)/release/fleet-loadtest run storm $(STORM)

.PHONY: bench-many
bench-many: servers release ## 1,000 Deployments for groups of 1 to 10,000 devices, made, changed and deleted under reports; last line JSON
	$(OUT)/release/fleet-loadtest run many $(MANY)

.PHONY: bench-labels
bench-labels: servers release ## 10,000 simulated devices, some of which change labels, until they run what they should; last line JSON
	$(OUT)/release/fleet-loadtest run labels $(LABELS)

.PHONY: bench-soak
bench-soak: servers release ## Two hours of everything at low rates, to find leaks; SOAK='... --seconds 120' for minutes; last line JSON
	$(OUT)/release/fleet-loadtest run mixed $(SOAK)

.PHONY: bench-failover
bench-failover: servers release ## Who leads is killed while 1,000 simulated devices report, operator and server of the bus in turn; last line JSON
	$(OUT)/release/fleet-loadtest run failover $(FAILOVER)

# One Deployment for every ten devices.
SIZES ?= 1000 3000 10000

.PHONY: bench-growth
bench-growth: servers release ## What fleets of SIZES cost at rest, at a start of the operator, for a change; reports for `fleet-loadtest capacity`
	@set -e; for size in $(SIZES); do \
		for scenario in idle cold fanout; do \
			$(OUT)/release/fleet-loadtest run $$scenario --devices $$size --deployments $$((size / 10)) --seconds 90; \
		done; \
	done

.PHONY: bench-charts
bench-charts: setup release ## Rendering and installing the charts, and sizes; last line JSON
	$(OUT)/release/fleet-bench charts

##@ Tidy up

.PHONY: clean
clean: ## Stop testbeds that were left behind and remove build output; keeps .cache
	-$(OUT)/debug/fleet-testbed down --all
	cargo clean
