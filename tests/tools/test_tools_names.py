"""Capability from names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.model import CAPABILITIES, PROTOCOLS
from aegis.tools.names import capability, words

NAMES = {
    "delete": """delete deleteRepo github.repos.delete_file mcp__github__delete_repo
        getOrDeleteUser
        bulk_delete DELETE-ALL HTTPDelete removeItem rm shell.rm sql.drop_table drop_database
        truncate purge-cache clear_history get_and_clear_cache revokeToken kill_process wipeDisk
        list_and_delete delete__repo unlink softDeleteUser mkfs ＤＥＬＥＴＥ_x
        de\u200blete_x dеlete_repo ファイルdelete delete2 reset_password get_thenDelete""",
    "deploy": """deploy deployToProd github.create_deployment create_release release git.push
        force_push publish_package apply_manifest terraform.apply rollout rollback helm.upgrade
        get_or_deploy""",
    "approve": """approve approve_request merge_pull_request mergeBranch grant_access acceptInvite
        authorize list_and_merge""",
    "write": """write write_file create_issue update-user insertRow put_object patch set_value
        send_email sendMessage post_comment upload edit rename move get_or_set get_or_create
        saveFile add_label transfer_funds send_notification fs.write mcp__delete__write_x
        list_then_post""",
    "read": """read read_file get_user list_repos github.list_repos list_releases get_release
        get_deployment fetch search findUser describe show view count lookup_balance
        get_transaction_history get_commit get_email read_log get_merge_request sql.select
        mcp__fs__read_file export_customer_list get_status listOpenIssues query inspect
        get_settings""",
    "execute": "execute run_query eval bash foo x.y access_ssn frobnicate 123 _ mcp__delete__repo "
    "cancelOrder",
}


@pytest.mark.parametrize(
    ("name", "expected"), [(name, cap) for cap, row in NAMES.items() for name in row.split()]
)
def test_names(name, expected):
    assert capability(name) == expected
    assert capability(name, "mcp") == expected


@pytest.mark.parametrize(
    ("type", "params", "expected"),
    [
        ("GET", None, "read"),
        ("head", {}, "read"),
        ("post", None, "write"),
        ("PUT", None, "write"),
        ("Patch", None, "write"),
        ("DELETE", None, "delete"),
        ("request", {"method": "delete"}, "delete"),
        ("/users", {"method": "GET"}, "read"),
        ("get", {"method": "DELETE"}, "delete"),
        ("delete", {"method": "GET"}, "delete"),
        ("request", {"method": 5}, "execute"),
        ("request", {"method": "BREW"}, "execute"),
        ("stripe.delete_customer", {"method": ""}, "delete"),
        ("CONNECT", None, "execute"),
    ],
)
def test_http_methods(type, params, expected):
    assert capability(type, "http", params) == expected


def test_a_model_call_changes_nothing_by_itself():
    assert capability("chat.completions.create", "llm") == "execute"


def test_a_name_too_long_to_read_means_the_worst():
    assert capability("read_" + "x" * 5_000) == "delete"
    assert capability("x" * 2_000, "http", {"method": "GET"}) == "delete"


def test_words():
    assert words("getHTTPResponse_v2-final.now/x") == [
        "get",
        "http",
        "response",
        "v",
        "2",
        "final",
        "now",
        "x",
    ]
    assert words("mcp__github__deleteRepo") == ["mcp", "github", "delete", "repo"]
    assert words("naïveSearch") == ["naive", "search"]


def test_many_names_are_forgotten_again(yardsticks):
    def many():
        for number in range(20_000):
            capability(f"tool_{number}")

    assert yardsticks(many) < 150_000
    from aegis.tools import names

    assert names._of_name.cache_info().currsize <= names.MEMO_MAX


@given(st.text(max_size=80), st.sampled_from(PROTOCOLS))
def test_every_name_has_a_capability(name, protocol):
    assert capability(name, protocol, {"method": name}) in CAPABILITIES


@given(st.text(alphabet="abcXYZ_.-", max_size=20), st.text(alphabet="abcXYZ_.-", max_size=20))
def test_a_dangerous_word_wins_wherever_it_stands(before, after):
    assert capability(f"{before}_delete_{after}") == "delete" or before.lower().startswith("mcp")
