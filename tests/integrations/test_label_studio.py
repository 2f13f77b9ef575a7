"""Exports for Label Studio, read by its own library and, where that is, by a server of its own.

Runs where the library is:
`python -m tests.environments label-studio-sdk -m pytest tests/integrations/test_label_studio.py`,
with `label-studio` for the server too: import, tasks in order, annotations, export.
"""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from skxssr.workflows.export import export_selection
from skxssr.workflows.selection_folder import read_selection_folder
from tests.workflows.test_export import LABELS, NAMES, make

pytest.importorskip(
    "label_studio_sdk", reason="Label Studio has an environment of its own: tests/environments.py"
)
from label_studio_sdk.converter.brush import decode_rle, mask2rle
from label_studio_sdk.label_interface import LabelInterface


@pytest.fixture
def exported(tmp_path):
    picks = make(tmp_path)
    return read_selection_folder(picks), export_selection(picks, "label-studio", labels=LABELS)


def tasks_of(folder):
    return json.loads((folder / "tasks.json").read_text(encoding="utf-8"))


def annotation(item, mask, label):
    """What the editor sends for one brush stroke."""
    return {
        "type": "brushlabels",
        "from_name": "mask",
        "to_name": "image",
        "original_width": item.width,
        "original_height": item.height,
        "image_rotation": 0,
        "value": {"format": "rle", "rle": mask2rle(mask), "brushlabels": [label]},
    }


def mask_of(item):
    mask = np.zeros((item.height, item.width), dtype=np.uint8)
    mask[1 : 2 + item.rank, 2 : 5 + item.rank] = 255
    return mask


def decoded(result):
    """The mask of a stroke as it is exported."""
    shape = (result["original_height"], result["original_width"], 4)
    return np.reshape(decode_rle(result["value"]["rle"]), shape)[..., 3]


def test_the_library_takes_configuration_tasks_and_annotations(exported):
    _, export = exported
    interface = LabelInterface((export.folder / "label_config.xml").read_text(encoding="utf-8"))
    interface.validate()
    assert interface.get_control("mask").labels == [*LABELS]
    for task, item in zip(tasks_of(export.folder), export.items, strict=True):
        assert interface.validate_task(task)
        stroke = annotation(item, mask_of(item), LABELS[0])
        assert interface.validate_region(stroke)
        np.testing.assert_array_equal(decoded(stroke), mask_of(item))


# ------------------------------------------------------------------------------ the server

USER, PASSWORD = "reader@example.com", "a password of the test"


@pytest.fixture
def server(exported, tmp_path):
    """A session of a user who is logged in, and the address."""
    pytest.importorskip("label_studio", reason="the server is in the environment label-studio")
    requests = pytest.importorskip("requests")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    env = os.environ | {
        "LABEL_STUDIO_BASE_DATA_DIR": str(tmp_path / "data"),
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(exported[1].folder.resolve()),
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "DEBUG": "false",
        "NO_PROXY": "127.0.0.1",
    }
    start = [Path(sys.executable).with_name("label-studio"), "start", "--no-browser"]
    start += ["--port", port, "--internal-host", "127.0.0.1", "--username", USER]
    start += ["--password", PASSWORD, "--data-dir", tmp_path / "data"]
    log = (tmp_path / "server.log").open("w")
    process = subprocess.Popen(
        [str(word) for word in start], env=env, stdout=log, stderr=subprocess.STDOUT, cwd=tmp_path
    )
    session = requests.Session()
    session.trust_env = False
    try:
        for _ in range(300):
            assert process.poll() is None, (tmp_path / "server.log").read_text()[-3000:]
            with contextlib.suppress(requests.ConnectionError):
                if session.get(f"{address}/health", timeout=5).ok:
                    break
            time.sleep(1)  # for a server, which no signal tells us of
        page = session.get(f"{address}/user/login/", timeout=60).text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
        form = {"email": USER, "password": PASSWORD, "csrfmiddlewaretoken": token}
        session.post(f"{address}/user/login/", form, headers={"Referer": address}, timeout=60)
        yield session, address
    finally:
        process.terminate()
        process.wait(timeout=60)
        log.close()


def test_a_server_imports_annotates_and_exports(exported, server):
    found, export = exported
    session, address = server

    def call(method, path, **more):
        headers = {"X-CSRFToken": session.cookies.get("csrftoken", ""), "Referer": address}
        url = f"{address}/{path}"
        answer = session.request(method, url, headers=headers, timeout=120, **more)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:2000]}"
        return answer

    config = (export.folder / "label_config.xml").read_text(encoding="utf-8")
    project = call("POST", "api/projects", json={"title": "picks", "label_config": config}).json()
    storage = {"project": project["id"], "path": str((export.folder / "images").resolve())}
    call("POST", "api/storages/localfiles", json={**storage, "use_blob_urls": True})
    call("POST", f"api/projects/{project['id']}/import", json=tasks_of(export.folder))

    listed = call("GET", f"api/tasks?project={project['id']}&page_size=100").json()
    tasks = sorted(listed["tasks"], key=lambda task: task["id"])
    assert [task["data"]["rank"] for task in tasks] == [*range(1, len(NAMES) + 1)]
    assert [task["data"]["reason"] for task in tasks] == found.reasons
    first = call("GET", f"api/projects/{project['id']}/next").json()
    assert first["data"]["rank"] == 1
    for task, item in zip(tasks, export.items, strict=True):
        shown = call("GET", task["data"]["image"].lstrip("/")).content
        assert shown == (export.folder / "images" / item.file).read_bytes()
        label = LABELS[item.rank % 2]
        result = {"result": [annotation(item, mask_of(item), label)]}
        call("POST", f"api/tasks/{task['id']}/annotations", json=result)

    back = call("GET", f"api/projects/{project['id']}/export?exportType=JSON").json()
    assert len(back) == len(NAMES)
    by_name = {task["data"]["picture"]: task for task in back}
    for item in export.items:
        task = by_name[item.file]
        (result,) = task["annotations"][0]["result"]
        assert result["value"]["brushlabels"] == [LABELS[item.rank % 2]]
        np.testing.assert_array_equal(decoded(result), mask_of(item))
