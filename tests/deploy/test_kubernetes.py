"""The overlays: built by kubectl, judged by Kubernetes' own schemas, and fit for a cluster that enforces `restricted`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest
import yaml

from hyperjobs import __version__
from hyperjobs.config import load_config
from support.tools import path_of

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "deploy" / "kubernetes"
OVERLAYS = ["base", "overlays/hypersdk-pvc", "overlays/s3", "overlays/sidecar"]

pytestmark = pytest.mark.tool("kubectl")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy with the files that a person adds."""
    copy = tmp_path_factory.mktemp("kubernetes") / "kubernetes"
    shutil.copytree(SOURCE, copy)
    for name in ("access-key", "secret-key"):
        (copy / "overlays" / "s3" / name).write_text("not a key")
    return copy


@pytest.fixture(scope="module")
def build(tree):
    """Builds a directory; its objects."""
    built = {}

    def one(name):
        if name not in built:
            command = ["kubectl", "kustomize", str(tree / name)]
            result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert result.returncode == 0, result.stderr
            built[name] = result.stdout
        return built[name]

    return one


def objects(text):
    return [each for each in yaml.safe_load_all(text) if each]


def workload(text):
    [found] = [each for each in objects(text) if each["kind"] in {"StatefulSet", "Deployment"}]
    return found


def agent(text):
    """The pod's spec, and the agent's container in it."""
    pod = workload(text)["spec"]["template"]["spec"]
    [container] = [each for each in pod["containers"] if each["name"] == "hyperjobs"]
    return pod, container


def judged(text, tmp_path):
    file = tmp_path / "objects.yaml"
    file.write_text(text)
    command = [path_of("kubernetes-validate"), "--strict", "--quiet", file]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.tool("kubernetes-validate")
@pytest.mark.parametrize("name", OVERLAYS)
def test_kubernetes_takes_every_object(build, name, tmp_path):
    result = judged(build(name), tmp_path)

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.tool("kubernetes-validate")
def test_a_slip_would_be_found(build, tmp_path):
    result = judged(build("base").replace("fsGroupChangePolicy", "fsgroupChangePolicy"), tmp_path)

    assert result.returncode != 0
    assert "fsgroupChangePolicy" in result.stdout + result.stderr


@pytest.mark.parametrize("name", [*OVERLAYS, "monitoring"])
def test_everything_is_in_one_namespace(build, name):
    assert {each["metadata"].get("namespace") for each in objects(build(name))} == {"hypersdk"}


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_pod_meets_the_restricted_standard(build, name):
    pod, _ = agent(build(name))

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert not context.get("privileged")
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    allowed = {"name", "configMap", "emptyDir", "persistentVolumeClaim", "secret"}
    assert {key for volume in pod["volumes"] for key in volume} <= allowed


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_agent_writes_volumes_and_nothing_else_and_no_start_opens_its_backups_to_the_group(build, name):
    pod, container = agent(build(name))

    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
    claims = {each["metadata"]["name"] for each in workload(build(name))["spec"].get("volumeClaimTemplates", [])}
    assert {mount["name"] for mount in container["volumeMounts"]} <= claims | {each["name"] for each in pod["volumes"]}


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_configuration_is_taken_and_all_that_it_names_is_mounted(build, name, tmp_path):
    text = build(name)
    pod, container = agent(text)
    [config_map] = [each for each in objects(text) if each["kind"] == "ConfigMap"]
    file = tmp_path / "hyperjobs.yaml"
    file.write_text(config_map["data"]["hyperjobs.yaml"])
    config = load_config(file, environ={"STATE_DIRECTORY": "/var/lib/hyperjobs"}, require_store=True)
    mounted = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    named = {each["configMap"]["name"] for each in pod["volumes"] if "configMap" in each}

    assert named == {config_map["metadata"]["name"]}
    for written in (config.store.path.parent, config.store.state_dir, config.maintenance.backup.directory.parent):
        assert not mounted[str(written)].get("readOnly")
    keys = [
        key for each in config.maintenance.backup.destinations for key in (each.access_key_file, each.secret_key_file)
    ]
    assert all(str(PurePosixPath(key).parent) in mounted for key in keys)
    assert [address.port for address in config.web.addresses] == [container["ports"][0]["containerPort"]]


@pytest.mark.parametrize("name", OVERLAYS)
def test_two_pods_never_hold_one_store(build, name):
    found = workload(build(name))
    claims = [each["spec"] for each in objects(build(name)) if each["kind"] == "PersistentVolumeClaim"]
    claims += [each["spec"] for each in found["spec"].get("volumeClaimTemplates", [])]

    assert found["spec"]["replicas"] == 1
    assert found["kind"] == "StatefulSet" or found["spec"]["strategy"] == {"type": "Recreate"}
    assert {mode for claim in claims for mode in claim["accessModes"]} == {"ReadWriteOnce"}


@pytest.mark.parametrize("name", OVERLAYS)
def test_probes_ask_for_the_process_and_not_for_the_store(build, name):
    pod, container = agent(build(name))
    probes = {key: container[key]["httpGet"] for key in container if key.endswith("Probe")}

    assert {get["path"] for get in probes.values()} == {"/-/ready", "/-/healthy"}
    assert {get["port"] for get in probes.values()} == {"metrics"}
    assert probes["livenessProbe"]["path"] == "/-/healthy"
    assert ("readinessProbe" in probes) == (len(pod["containers"]) == 1)  # hypersdk's pod is ready without the agent


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_image_is_of_this_version(build, name):
    assert agent(build(name))[1]["image"] == f"hyperjobs:{__version__}"


def test_a_pod_of_its_own_has_no_token_and_a_host_name_that_stays(build):
    for name in ("base", "overlays/hypersdk-pvc", "overlays/s3"):
        assert workload(build(name))["kind"] == "StatefulSet"
        assert agent(build(name))[0]["automountServiceAccountToken"] is False
    assert agent(build("overlays/sidecar"))[0]["hostname"] == "hypersdk"


def test_the_store_of_another_pod_is_used_on_its_node(build):
    pod, container = agent(build("overlays/hypersdk-pvc"))
    [rule] = pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    templates = workload(build("overlays/hypersdk-pvc"))["spec"]["volumeClaimTemplates"]

    assert rule["topologyKey"] == "kubernetes.io/hostname"
    assert [each["metadata"]["name"] for each in templates] == ["state", "backups"]
    assert "/var/lib/hypersdk" not in {mount["mountPath"] for mount in container["volumeMounts"]}


def test_only_prometheus_reaches_the_agent_and_the_agent_reaches_s3_only_where_it_has_to(build):
    def policy(name):
        [found] = [each for each in objects(build(name)) if each["kind"] == "NetworkPolicy"]
        return found["spec"]

    assert policy("base")["policyTypes"] == ["Ingress", "Egress"]
    assert policy("base").get("egress", []) == []
    ports = [port["port"] for rule in policy("overlays/s3")["egress"] for port in rule["ports"]]
    assert sorted(ports) == [53, 53, 443]
    assert all(rule["from"] for rule in policy("overlays/s3")["ingress"])


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_operator_finds_the_agent_and_names_its_job_as_the_rules_do(build, name):
    [monitor] = [each for each in objects(build("monitoring")) if each["kind"] == "PodMonitor"]
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    labels = workload(build(name))["spec"]["template"]["metadata"]["labels"]

    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert endpoint["port"] == agent(build(name))[1]["ports"][0]["name"]
    assert endpoint["relabelings"] == [{"targetLabel": "job", "replacement": "hyperjobs"}]


def test_the_rules_are_those_that_the_program_renders(tmp_path):
    """`hyperjobs rules render --kind all --format operator --out deploy/kubernetes/monitoring` makes them anew."""
    command = [sys.executable, "-m", "hyperjobs", "rules", "render", "--kind=all", "--format=operator"]
    subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, check=True)
    shipped = {path.name: path.read_text() for path in (SOURCE / "monitoring").glob("*.prometheusrule.yaml")}

    assert shipped == {path.name: path.read_text() for path in tmp_path.iterdir()}


def test_every_file_of_a_directory_is_part_of_what_is_built():
    for kustomization in SOURCE.rglob("kustomization.yaml"):
        named = yaml.safe_load(kustomization.read_text())
        used = {*named.get("resources", []), *named.get("patchesStrategicMerge", [])}
        used |= {file for each in named.get("configMapGenerator", []) for file in each["files"]}
        there = {path.name for path in kustomization.parent.glob("*.yaml")} - {kustomization.name}
        assert used == there, kustomization
