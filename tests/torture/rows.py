"""Which tests hold which row of the acceptance table (docs/reliability.md), by file and beginning of the name."""

from __future__ import annotations

ROWS: dict[str, tuple[str, ...]] = {
    "1": ("torture/test_kills.py::test_killed_at", "races/test_harvests.py::test_killed_workers_lose_nothing",
          "races/test_harvests.py::test_fifty_killed_workers_lose_nothing"),
    "2": ("torture/test_kills.py::test_killed_or_cut_off_between_claim_and_write",
          "harvest/test_run.py::test_a_run_whose_worker_died_is_claimable_at_once",
          "races/test_harvests.py::test_a_worker_outlives_its_connections"),
    "3": ("torture/test_servers.py::test_valkey_flushed_and_restarted",
          "harvest/test_bad_input.py::test_the_cache_may_be_emptied_at_any_time"),
    "4": ("torture/test_servers.py::test_postgresql_restarted_and_crashed",
          "torture/test_servers.py::test_the_databases_disk_is_full",
          "torture/test_servers.py::test_the_storages_disk_is_full",
          "torture/test_servers.py::test_a_real_disk_is_full"),
    "5": ("torture/test_servers.py::test_solr_stopped_while_publishing",
          "races/test_exits.py::test_publishing_while_solr_is_down"),
    "6": ("torture/test_triggers.py::test_twenty_triggers_before_two_workers",
          "torture/test_triggers.py::test_a_trigger_always_names_a_run",
          "harvest/test_bad_input.py::test_twenty_triggers_and_two_workers_are_one_run"),
    "7": ("races/test_harvests.py::test_a_stopped_worker_that_comes_back_is_fenced_off",
          "races/test_approvals.py::test_two_bodies_and_two_workers_on_one_table"),
    "8": ("torture/test_triggers.py::test_harvested_twice_unchanged",
          "harvest/test_guard.py::test_the_same_listing_twice_writes_nothing"),
    "9": ("harvest/test_guard.py::test_an_empty_source_never_deletes",),
    "10": ("harvest/test_guard.py::test_a_listing_that_is_not_whole_changes_nothing",),
    "11": ("harvest/test_guard.py::test_eleven_per_cent_gone_is_frozen",
           "harvest/test_guard.py::test_a_few_rows_gone_wait_seven_days"),
    "12": ("harvest/test_bad_input.py::test_no_answer_harms_what_is_public",
           "harvesters/test_exchange.py::test_each_fault_ends_in_its_own_error_in_time"),
    "13": ("harvesters/test_exchange.py::test_a_limited_platform_is_obeyed_and_every_try_is_signed_anew",
           "harvest/test_bad_input.py::test_a_platform_that_asks_for_an_hour_gets_it",
           "harvest/test_breaker.py::test_five_failures_open_it", "harvest/test_breaker.py::test_runs_do_not_hammer",
           "harvest/test_breaker.py::test_a_refused_signature_is_not_repeated"),
    "14": ("harvest/test_memory.py::test_a_catalogue_of",),
    "15": ("harvest/test_contract.py::test_changed_columns_stop_the_table",
           "harvest/test_contract.py::test_a_new_column_is_shown_and_held"),
    "16": ("badinput/test_corpus.py::test_bad_file",),
    "17": ("normalise/test_files.py::test_encodings_are_exact",
           "normalise/test_files.py::test_mixed_unknown_and_broken_encodings_are_refused",
           "badinput/test_corpus.py::test_rare_characters_are_exact"),
    "18": ("normalise/test_files.py::test_headers_that_are_long_full_width_or_double",),
    "19": ("badinput/test_money_through.py::test_",),
    "20": ("badinput/test_corpus.py::test_hostile_files_are_refused_in_little_memory",
           "push/test_door.py::test_bombs_are_refused_without_being_unpacked"),
    "21": ("datastore/test_readers.py::test_every_answer_is_of_one_revision",),
    "22": ("torture/test_loader.py::test_killed_before_each_statement",
           "torture/test_loader.py::test_a_maker_of_files_killed_before_each_file",
           "publish/test_table.py::test_a_loader_that_dies"),
    "23": ("torture/test_conflicts.py::test_a_harvest_and_an_officer",
           "races/test_harvests.py::test_an_officer_edits_what_is_being_harvested"),
}


def row_of(node: str) -> str | None:
    """The row that a test (`tests/torture/test_kills.py::test_…[…]`) holds; None for other tests."""
    name = node.removeprefix("tests/")
    return next((row for row, begins in ROWS.items() if name.startswith(begins)), None)
