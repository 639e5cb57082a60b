"""`python -m tests.sabotage`: switch each mechanism off in a copy of the source; the named test must go red.

Evidence that cannot fail is theatre. Each line below names a promise (docs/design/promises.md), what is switched off, the
exact text that does it, and the test that must notice. A text that is no longer in the source is an error, so this
list cannot rot. First every named test is run on the unharmed copy, where it must pass; `--passed` says that it just did.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("ledger", "classifiers", "reports", "gateway", "migrations", "tests", "pyproject.toml")
PROMISES = "tests/system/test_promises.py::"
TOOLS = "tests/gateway/test_tool_rules.py::"
HELD = "tests/system/test_approvals.py::"
POLICIES = "tests/system/test_policies.py::"
HOSTILE = "tests/system/test_hostile.py::"
SIMILAR = "tests/system/test_similar_answers.py::"
FAN_OUT = "tests/system/test_fan_out.py::"
DIALECTS = "tests/system/test_dialects.py::"
LOG = "tests/ledger/test_log.py::"
SEALING = "tests/ledger/test_sealing.py::"
PACK = "tests/system/test_pack.py::"
FLUSH = "tests/system/test_flush.py::"
BACKUP = "tests/system/test_backup.py::"
SECRETS = "tests/system/test_secrets.py::"
CONTENTS = "tests/system/test_contents.py::"
TAMPERED = CONTENTS + "test_contents_that_are_not_what_was_committed_to_are_found"


@dataclass(frozen=True)
class Sabotage:
    promise: str
    mechanism: str
    file: str
    old: str
    new: str
    test: str


MINIMISED = "tests/system/test_minimisation.py::"
RELEASED = "tests/system/test_released_calls.py::"
INCIDENTS = "tests/system/test_incidents.py::"
SABOTAGES = (
    Sabotage(
        "5", "what a policy replaces reaches no provider", "gateway/pipeline/attempt.py",
        "target.pair.outgoing(call.sent or call.asked, server)", "target.pair.outgoing(call.asked, server)",
        MINIMISED + "test_no_value_reaches_a_provider_and_the_caller_gets_each_again",
    ),
    Sabotage(
        "5", "the caller gets again what was replaced", "gateway/pipeline/attempt.py",
        "Restorer(call.values) if call.values else None", "None",
        MINIMISED + "test_no_value_reaches_a_provider_and_the_caller_gets_each_again",
    ),
    Sabotage(
        "5", "events wait while a placeholder may be in the air", "gateway/minimisation/restoring.py",
        "        return [] if self._open else self._let_go()\n", "        return self._let_go()\n",
        "tests/gateway/test_minimisation.py::test_placeholders_of_a_stream_are_put_back_however_it_is_cut",
    ),
    Sabotage(
        "3", "a placeholder that is longer than its value is reserved for", "gateway/minimisation/minimiser.py",
        "input_bound=call.asked.input_bound + found.grown", "input_bound=call.asked.input_bound",
        MINIMISED + "test_a_worst_case_counts_what_is_really_sent",
    ),
    Sabotage(
        "5", "every text of a call is made fit to be kept", "gateway/store/ports.py",
        "kept = keeping.values(values) if keeping else values", "kept = values",
        MINIMISED + "test_what_is_kept_redacted_has_placeholders_and_nothing_else_of_it",
    ),
    Sabotage(
        "5", "what comes in pieces is looked through as one", "gateway/minimisation/keeping.py",
        "growing.setdefault(leaf.grows or (number, id(leaf.holder), leaf.key), [])",
        "growing.setdefault((number, id(leaf.holder), leaf.key), [])",
        "tests/gateway/test_minimisation.py::test_what_comes_in_pieces_is_kept_without_what_they_say_together",
    ),
    Sabotage(
        "5", "a list that cannot be read stops the call", "gateway/store/dictionaries.py",
        "            raise Refused(\"list_unreadable\", words, stage=4, inputs={\"list\": said}) from error\n",
        "            return Terms(name, ())\n",
        MINIMISED + "test_a_list_that_cannot_be_read_stops_the_call_and_shows",
    ),
    Sabotage(
        "5", "start-up proves what is replaced", "gateway/minimisation/proof.py",
        "    if value in json.dumps(found, ensure_ascii=False):\n", "    if False:\n",
        "tests/gateway/test_minimisation.py::"
        "test_start_up_proves_what_it_replaces_and_fails_where_something_is_left",
    ),
    Sabotage(
        "6", "data of earlier calls of a task count for the rule of two", "gateway/state/changes.py",
        "            changes[row][\"data\"] = True\n", "            pass\n",
        POLICIES + "test_data_of_an_earlier_call_of_the_task_counts_for_the_rule_of_two",
    ),
    Sabotage(
        "6", "results answer calls that were given out", "gateway/tools/answered.py",
        "    strange = sum(one[:SHORT] not in known for one in answered)\n", "    strange = 0\n",
        RELEASED + "test_results_of_a_call_that_was_given_out_pass_and_others_show",
    ),
    Sabotage(
        "6", "an incident that opens freezes what belongs to it", "gateway/alerting/incidents.py",
        "if rule.freeze else drafts", "if False else drafts",
        INCIDENTS + "test_an_incident_opens_when_something_happens_so_often_and_names_the_calls",
    ),
    Sabotage(
        "6", "nobody without a role lifts a hold", "gateway/oversight/holds.py",
        "installation, \"hold.lifted\", actor, roles=ROLES,", "installation, \"hold.lifted\", actor, roles=(),",
        INCIDENTS + "test_an_order_names_its_authority_and_only_some_may_place_or_lift",
    ),
    Sabotage(
        "6", "what an answer gives away waits until it was read", "gateway/policies/answers.py",
        "        if not self._strict:\n            return self._said\n", "        return self._said\n",
        "tests/gateway/test_answers.py::test_however_it_is_cut_nothing_of_what_is_withheld_has_left",
    ),
    Sabotage(
        "6", "an answer that a policy refuses is withheld", "gateway/policies/answers.py",
        "            if not self.broken and self._found(says, text[begin:])[0]:\n", "            if False:\n",
        "tests/system/test_watched_answers.py::"
        "test_an_address_that_carries_something_away_reaches_nobody_and_the_rest_does",
    ),
    Sabotage(
        "6", "policies decide before anything is sent", "gateway/pipeline/run.py",
        "    checks = (*checks, *decide_by(policies, call, workflow, seen, data_before=before))  # 5\n", "",
        POLICIES + "test_an_order_in_the_result_of_a_tool_is_refused_before_anything_is_sent_in_every_format",
    ),
    Sabotage(
        "6", "a held request asks a person once", "gateway/pipeline/refusing.py",
        "    known = waits_for(state, at, holding)\n", '    known = ""\n',
        POLICIES + "test_a_held_request_is_sent_once_a_person_has_approved_it_and_only_then",
    ),
    Sabotage(
        "6", "a call that waits for a person does not leave", "gateway/pipeline/judging.py",
        'return bool(self.asked) and self._approval != "given"', "return False",
        HELD + "test_a_held_call_leaves_once_and_byte_for_byte_when_a_person_has_approved_it",
    ),
    Sabotage(
        "6", "an approval is good for one answer", "gateway/state/approvals.py",
        'used = old | {"state": "used", "used_by": call}', 'used = old | {"used_by": call}',
        HELD + "test_a_held_call_leaves_once_and_byte_for_byte_when_a_person_has_approved_it",
    ),
    Sabotage(
        "6", "an approval is for the very same request", "gateway/approvals/standing.py",
        'if row is None or row["digest"] != holding.digest:', "if row is None:",
        "tests/gateway/test_approvals.py::"
        "test_nothing_is_given_out_but_what_was_approved_for_this_request_in_time_or_let_through_with_a_flag",
    ),
    Sabotage(
        "6", "who lost the role has approved nothing", "gateway/approvals/standing.py",
        "    _require_roles(state, holding, row)\n", "",
        HELD + "test_an_approver_who_lost_the_role_before_it_was_fetched_has_approved_nothing",
    ),
    Sabotage(
        "6", "nobody decides about a call of their own", "gateway/oversight/approving.py",
        'if actor.pseudonym in row["requesters"]:', "if False:",
        HELD + "test_a_requester_a_stranger_to_the_role_and_who_saw_something_else_decide_nothing",
    ),
    Sabotage(
        "6", "where two must approve one counts once", "gateway/oversight/approving.py",
        'if decision == "approve" and actor.pseudonym in row["approved"]:', "if False:",
        HELD + "test_when_two_must_approve_one_person_counts_once",
    ),
    Sabotage(
        "6", "what an auditor looks at is on record before it is shown", "gateway/web/pages.py",
        '        if request.method == "GET":\n            record_look(', '        if False:\n            record_look(',
        "tests/system/test_auditors.py::test_every_page_of_an_auditor_is_on_record_before_it_is_shown",
    ),
    Sabotage(
        "6", "an auditor's box ends", "gateway/oversight/people.py",
        'and row["box"]["until"] <= format_time(at)', "and False",
        "tests/system/test_auditors.py::test_the_access_ends_with_the_box_and_can_be_given_anew",
    ),
    Sabotage(
        "3", "settings that a pooler drops are noticed", "ledger/store/engine.py",
        "        if found != value:\n", "        if False:\n",
        "tests/system/test_pooler.py::test_settings_that_a_pooler_drops_are_refused_by_name_until_the_role_has_them",
    ),
    Sabotage(
        "5", "forwarded headers count from named networks only", "gateway/server.py",
        '"proxy_headers": bool(settings.trusted_proxies), "forwarded_allow_ips": settings.trusted_proxies,',
        '"proxy_headers": True, "forwarded_allow_ips": "*",',
        "tests/system/test_behind_proxy.py::test_forwarded_headers_count_from_named_networks_only",
    ),
    Sabotage(
        "3", "by httpx2 no answer is taken for the next one", "gateway/upstream/general.py",
        'if response.extensions.get("http_version", b"").startswith(b"HTTP/1"):', "if False:",
        "tests/gateway/test_upstream.py::test_bytes_that_nobody_asked_for_are_never_the_next_answer",
    ),
    Sabotage(
        "3", "a paid call is not bought again when it is repeated", "gateway/pipeline/open.py",
        "    if (undelivered or ports.undelivered.known) and not call.may_repeat:", "    if False:",
        "tests/system/test_clients.py::test_a_paid_call_is_not_bought_again_when_a_client_repeats_it",
    ),
    Sabotage(
        "3", "an error inside a 200 is no answer", "gateway/pipeline/attempt.py",
        "            if wrong is None:\n", "            if True:\n",
        "tests/system/test_clients.py::test_an_error_inside_a_200_of_every_target_costs_nothing",
    ),
    Sabotage(
        "6", "a promotion holds for every later call", "gateway/pipeline/open.py",
        'control.get("prompts"))', 'rules.prompts_since)',
        "tests/system/test_prompts.py::test_a_promotion_holds_for_the_very_next_call",
    ),
    Sabotage(
        "9", "the cost of a judge is a cost of its task", "gateway/state/changes.py",
        'known.get("evaluation", 0) + cost}', 'known.get("evaluation", 0)}',
        "tests/system/test_evaluating.py::test_what_a_judge_cost_counts_in_the_outcome_of_the_task",
    ),
    Sabotage(
        "9", "the sums move with the end of a call", "gateway/state/changes.py",
        "    moved[row] = rollup.plus(state.get(row), facts, named=named", "    moved[row] = rollup.plus(None, facts, named=named",
        "tests/system/test_costs.py::test_every_sum_is_that_of_the_entries_to_the_nano_eur",
    ),
    Sabotage(
        "9", "failed attempts stay in the cost of an outcome", "gateway/economics/attempts.py",
        "    total = sum(costs)\n", "    total = sum(one.cost for one in attempts if one.status == 'success')\n",
        "tests/system/test_outcomes.py::test_what_an_outcome_cost_is_the_cost_of_all_attempts_over_the_successes",
    ),
    Sabotage(
        "9", "a contradicting outcome is refused", "gateway/state/outcomes.py",
        '    if one.occurred_at <= now["at"]:', "    if False:",
        "tests/system/test_outcomes.py::test_a_contradiction_is_refused_and_a_correction_appends",
    ),
    Sabotage(
        "9", "what is always scored bends no rate", "gateway/state/changes.py",
        'among = "drawn" if facts["drawn"] else "always"', 'among = "drawn"',
        "tests/system/test_evaluating.py::test_a_call_that_a_person_set_right_is_scored_although_nothing_is_drawn",
    ),
    Sabotage(
        "9", "a verdict repeats the word", "gateway/evaluation/judging.py",
        ' or value["word"] != _secret(call, series, "word")', "",
        "tests/gateway/test_evaluation.py::test_what_is_judged_stands_between_marks_it_cannot_know_and_never_beside_the_rules",
    ),
    Sabotage(
        "9", "an alert is sent until it has arrived", "gateway/alerting/delivery.py",
        "            if status not in DELIVERED:", "            if False:",
        "tests/system/test_alerts.py::test_a_component_that_turns_bad_raises_once_by_its_name_and_arrives_signed_although_the_receiver_was_down",
    ),
    Sabotage(
        "9", "scores are recorded once", "gateway/evaluation/worker.py",
        "            if (row[\"next\"] if row else None) != low:", "            if False:",
        "tests/system/test_evaluating.py::test_two_workers_at_once_never_score_twice",
    ),
    Sabotage(
        "6", "a webhook is signed by its source", "gateway/web/economics.py",
        "    if not signed:\n        raise HTTPException(401", "    if False:\n        raise HTTPException(401",
        "tests/system/test_outcomes.py::test_a_webhook_is_taken_when_its_source_signed_it_just_now_and_once",
    ),
    Sabotage(
        "8", "silence is unknown, not no", "classifiers/facts.py",
        "    if not complete:\n        return known\n", "",
        "tests/classifiers/test_risk.py::test_nothing_answered_is_undetermined_and_asks",
    ),
    Sabotage(
        "8", "profiling closes the exemption", "classifiers/law/rules.yaml",
        "      profiles_persons: false\n", "",
        "tests/classifiers/test_risk.py::test_profiling_closes_the_exemption",
    ),
    Sabotage(
        "8", "traffic that comes slowly contradicts as well", "gateway/oversight/contradictions.py",
        "key: tally for key, tally in self._tallies.items() if key in classes.values()", "",
        "tests/system/test_classifying.py::test_calls_of_several_looks_add_up_and_one_seen_twice_counts_once",
    ),
    Sabotage(
        "8", "an open class cannot be confirmed", "gateway/oversight/classifying.py",
        "    if result.tier == UNDETERMINED:", "    if False:",
        "tests/system/test_classifying.py::test_an_open_class_cannot_be_confirmed_and_the_questions_are_named",
    ),
    Sabotage(
        "8", "a prohibition bars from its day on", "gateway/state/rows.py",
        "(start is not None and start <= day)", "False",
        "tests/system/test_classifying.py::test_a_prohibition_that_begins_later_ends_the_release_on_its_day_without_anybody_doing_anything",
    ),
    Sabotage(
        "7", "a log of calls shows no mark and no notice", "reports/pack/duty_table.py",
        'if duty.evidence_class == "attested" or duty.decisive is not None:', 'if duty.evidence_class == "attested":',
        "tests/system/test_pack_report.py::test_the_duty_table_uses_the_eight_words_and_says_what_is_not_proved",
    ),
    Sabotage(
        "7", "a view by Annex IV needs a released high-risk class", "reports/pack/report.py",
        "return any(system.released and _high_risk(system.tier)", "return True or any(system.released and _high_risk(system.tier)",
        "tests/system/test_pack_report.py::test_without_a_class_the_file_is_voluntary_and_no_duty_is_called_inapplicable",
    ),
    Sabotage(
        "6", "a form that changes something comes from our own page", "gateway/web/pages.py",
        'if not same_page(session, dict(fields).get("csrf", "")):', "if False:",
        "tests/system/test_console.py::test_a_form_from_elsewhere_is_refused",
    ),
    Sabotage(
        "1", "the open is awaited before the provider is called", "gateway/pipeline/open.py",
        "        written = await ports.evidence.submit(unit)\n    except LedgerError as error:\n        raise EvidenceLost(",
        "        import asyncio\n        asyncio.get_running_loop().call_later(0.3, ports.evidence.submit, unit)\n"
        "        at = ports.clock()\n"
        "        rows = tuple(f'budget:{s}:{at.date()}' for s, _ in plan.caps)\n"
        "        return Opened(call=call.id, seq=0, entry='', task=record.task, budgets=rows, reserved=plan.reserved, at='2026-11-28T00:00:00.000000Z')\n"
        "    except LedgerError as error:\n        raise EvidenceLost(",
        PROMISES + "test_when_the_provider_is_called_the_call_is_already_in_the_database",
    ),
    Sabotage(
        "1", "a ledger that cannot write refuses the call", "gateway/pipeline/open.py",
        "    except LedgerError as error:\n        raise EvidenceLost(\n            code_of(error), f\"the call was not sent",
        "    except LedgerError as error:\n        return Opened(call=call.id, seq=0, entry='', task=None, budgets=(), reserved=0, at='2026-11-28T00:00:00.000000Z')\n"
        "        raise EvidenceLost(\n            code_of(error), f\"the call was not sent",
        PROMISES + "test_when_the_ledger_cannot_record_the_call_is_refused_and_nothing_is_sent",
    ),
    Sabotage(
        "1", "commits wait for the disk", "ledger/store/engine.py", '"synchronous=FULL"', '"synchronous=OFF"',
        LOG + "test_the_writer_waits_for_the_disk",
    ),
    Sabotage(
        "1", "waiters are woken after the commit, not before", "ledger/log.py",
        "                self._writer.settle(batch)\n                _wake(batch.units, here)\n",
        "                _wake(batch.units, here)\n                self._writer.settle(batch)\n",
        LOG + "test_a_commit_that_failed_and_was_lost_is_not_acknowledged",
    ),
    Sabotage(
        "2", "the end of a stream is held until the close is durable", "gateway/pipeline/judging.py",
        "                if ending:\n", "                if False:\n",
        PROMISES + "test_the_end_of_a_stream_is_held_until_its_close_is_durable",
    ),
    Sabotage(
        "2", "a whole answer waits for its close", "gateway/pipeline/relay.py",
        '        await self.end(await self._compared(self._judge.outcome(result)))\n        if result != "answered":\n',
        "        import threading\n"
        "        threading.Timer(0.3, lambda loop=asyncio.get_running_loop(): "
        "loop.call_soon_threadsafe(self._hand_over, self._judge.outcome(result))).start()\n        self._closing = None\n"
        "        await asyncio.sleep(0)\n        self.abandon = lambda: None if False else None\n"
        '        if result != "answered":\n',
        PROMISES + "test_a_whole_answer_leaves_after_its_close_is_durable",
    ),
    Sabotage(
        "1", "a deadline for the body never cuts short what comes after it", "gateway/web/calls.py",
        "                    reading.until = math.inf", "                    # reading.until = math.inf",
        HOSTILE + "test_a_call_whose_body_has_come_is_opened_however_long_that_takes",
    ),
    Sabotage(
        "2", "an answer whose close failed is not given out", "gateway/pipeline/relay.py",
        '            raise EvidenceLost("outcome_not_recorded"', '            return\n            raise EvidenceLost("outcome_not_recorded"',
        PROMISES + "test_a_paid_answer_whose_close_cannot_be_committed_is_not_given_out",
    ),
    Sabotage(
        "2", "a broken stream has no clean end",
        "gateway/web/calls.py",
        "            raise StreamBroken(broken.code) from error\n",
        '            await send({"type": "http.response.body", "body": b"", "more_body": False})\n',
        PROMISES + "test_a_broken_upstream_stream_closes_the_call_and_never_ends_cleanly",
    ),
    Sabotage(
        "2", "what was opened is closed when the task ends", "gateway/store/lifecycle.py",
        "        dead = [key for key in calls if key in state and state[key][\"boot\"] not in alive]\n",
        "        dead = []\n",
        "tests/system/test_crash.py::test_a_call_cut_by_sigkill_is_interrupted_once_at_its_worst_case",
    ),
    Sabotage(
        "2", "live siblings keep their calls", "gateway/store/lifecycle.py",
        '>= format_time(at)}\n        alive |=', '>= "9999"}\n        alive |=',
        "tests/system/test_crash.py::test_a_live_process_keeps_its_calls_while_a_sibling_starts_and_stops",
    ),
    Sabotage(
        "3", "reservations count against the cap", "gateway/pipeline/open.py",
        'if used["spent"] + used["reserved"] + plan.reserved > cap:', 'if used["spent"] > cap:',
        PROMISES + "test_what_does_not_fit_is_refused_whole_with_the_arithmetic_on_record",
    ),
    Sabotage(
        "3", "parallel calls see each other's reservations", "gateway/pipeline/open.py",
        'if used["spent"] + used["reserved"] + plan.reserved > cap:', 'if used["spent"] + plan.reserved > cap:',
        PROMISES + "test_calls_in_flight_count_at_their_worst_case",
    ),
    Sabotage(
        "3", "an ambiguous attempt needs a second reservation", "gateway/pipeline/attempt.py",
        'if tries.made and tries.made[-1].billed == "unknown":', "if False:",
        PROMISES + "test_a_second_attempt_after_an_ambiguous_one_is_not_made_when_it_does_not_fit",
    ),
    Sabotage(
        "3", "what may have been billed stays counted", "gateway/charging/charge.py",
        'ambiguous = sum(plan.attempt_reserved for one in attempts if one.billed == "unknown")', "ambiguous = 0",
        PROMISES + "test_an_attempt_that_may_have_been_billed_stays_counted_at_its_worst_case",
    ),
    Sabotage(
        "3", "missing usage is charged at worst case", "gateway/charging/charge.py",
        '            ambiguous + plan.attempt_reserved, "upper_bound", price', '            0, "none", price',
        PROMISES + "test_usage_that_is_missing_or_senseless_is_charged_at_worst_case_not_at_zero",
    ),
    Sabotage(
        "2", "what cannot be read is held", "gateway/dialects/openai_answer.py",
        "        if event.unreadable:\n", "        if False:\n",
        HOSTILE + "test_an_event_that_cannot_be_read_is_held_and_no_check_passes_over_it",
    ),
    Sabotage(
        "2", "of a stream every event is judged before it leaves", "gateway/pipeline/judging.py",
        "            if any(over or not self._grants.may_come_to(name) for name in missing):\n", "            if False:\n",
        PROMISES + "test_an_ungranted_tool_call_in_a_stream_never_reaches_the_client",
    ),
    Sabotage(
        "2", "an event is known again only by a text without any other sign", "gateway/dialects/sse.py",
        "        return PLAIN.fullmatch(text) is not None\n", "        return True\n",
        "tests/gateway/test_openai_chat.py::test_an_event_known_again_says_what_the_first_said_but_for_its_text",
    ),
    Sabotage(
        "7", "an answer with a call that is not granted is never given out", "gateway/pipeline/judging.py",
        '            self.watch.add(said_in(loaded(body)))\n        if self._is_refused():\n',
        '            self.watch.add(said_in(loaded(body)))\n        if False:\n',
        HOSTILE + "test_answered_never_stands_beside_a_check_that_denies",
    ),
    Sabotage(
        "1", "what was found before a loss was declared halts nothing after it", "gateway/store/lifecycle.py",
        "if state.get(GAP) == gap else {}", "",
        "tests/ledger/test_continuity.py::test_what_was_found_before_a_gap_was_declared_halts_nothing_after_it",
    ),
    Sabotage(
        "7", "a call waits until all of its arguments can be judged", "gateway/pipeline/judging.py",
        "            self._begun = (bool(ruled) and not ending) or any(", "            self._begun = any(",
        TOOLS + "test_a_call_that_breaks_its_rule_never_leaves[arguments0-chat]",
    ),
    Sabotage(
        "7", "a tool that is described in another way is refused", "gateway/tools/definitions.py",
        "if digest not in _pins(name, rules)]", "if False]",
        "tests/gateway/test_definitions.py::test_another_description_is_refused_with_its_digest[chat]",
    ),
    Sabotage(
        "7", "an argument that only a document names is refused", "gateway/tools/provenance.py",
        '_PERSONS = ("user", ', '_PERSONS = ("user", "tool", ',
        "tests/gateway/test_provenance.py::test_the_words_of_a_person_count_and_those_of_tools_documents_and_models_do_not[chat]",
    ),
    Sabotage(
        "7", "the arguments of a tool are held against its rule", "gateway/tools/rules.py",
        "        if part:\n", "        if False:\n",
        "tests/system/test_tools.py::test_a_call_that_breaks_its_rule_is_withheld_and_on_record[False-chat]",
    ),
    Sabotage(
        "3", "the very same call of a task is refused the third time", "gateway/rules/tasks.py",
        "    if again >= (most := workflow.max_identical_calls) > 0:\n", "    if again >= (most := 10**9):\n",
        FAN_OUT + "test_the_third_identical_call_of_a_task_is_refused_and_one_that_got_no_answer_does_not_count",
    ),
    Sabotage(
        "3", "a circle of tool calls is found", "gateway/rules/tasks.py",
        "            return length\n    return 0\n", "            return 0\n    return 0\n",
        FAN_OUT + "test_an_agent_that_goes_round_in_a_circle_is_stopped",
    ),
    Sabotage(
        "3", "rounds of tools are counted", "gateway/dialects/protocol.py",
        '        rounds += kind == "tool"\n', "        rounds += 0\n",
        FAN_OUT + "test_an_agent_that_always_finds_something_new_is_stopped_by_its_rounds",
    ),
    Sabotage(
        "7", "too many tools at once are withheld", "gateway/pipeline/judging.py",
        "        return len(self.transcript.tool_calls()) > self._most\n", "        return False\n",
        FAN_OUT + "test_an_answer_that_calls_too_many_tools_at_once_is_withheld",
    ),
    Sabotage(
        "2", "the end of a response waits for its close", "gateway/dialects/openai_responses_answer.py",
        "            self.finished = True\n        else:\n            self._see_piece",
        "            self.finished = False\n        else:\n            self._see_piece",
        DIALECTS + "test_the_end_of_a_stream_is_not_given_out_while_its_close_is_not_durable[responses]",
    ),
    Sabotage(
        "2", "the end of a message waits for its close", "gateway/dialects/anthropic_answer.py",
        "        return bool(self._stop or self.finished or self.error)\n", "        return bool(self.error)\n",
        DIALECTS + "test_the_end_of_a_stream_is_not_given_out_while_its_close_is_not_durable[messages]",
    ),
    Sabotage(
        "2", "the end of generated content waits for its close", "gateway/dialects/gemini_answer.py",
        "        return bool(ended or self._blocked or self.error)\n", "        return bool(self.error)\n",
        DIALECTS + "test_the_end_of_a_stream_is_not_given_out_while_its_close_is_not_durable[gemini]",
    ),
    Sabotage(
        "7", "tools that the provider runs are told by their items", "gateway/dialects/openai_responses_answer.py",
        '        if kind in _CALLS_NOTHING or kind.endswith("_call_output"):\n',
        "        if kind not in _NAMED:\n",
        DIALECTS + "test_a_tool_of_a_response_that_is_not_granted_never_arrives[web_search_call-True]",
    ),
    Sabotage(
        "3", "cache writes without a lifetime are charged as the dearer", "gateway/dialects/anthropic_usage.py",
        "        long += rest\n", "        short += rest\n",
        DIALECTS + "test_the_lifetime_of_a_cache_has_its_price",
    ),
    Sabotage(
        "9", "an answer to another question is not given again", "gateway/caches/similar.py",
        "            if until >= now and difference(question, text) is None:\n", "            if until >= now:\n",
        SIMILAR + "test_an_answer_is_served_once_enough_agreed_and_its_call_is_on_record",
    ),
    Sabotage(
        "9", "wrong answers end the trust in those to similar questions", "gateway/state/changes.py",
        '"wrong": old["wrong"] + (not agreed)}', '"wrong": 0}',
        SIMILAR + "test_a_share_of_what_could_be_served_is_asked_all_the_same_and_a_wrong_one_ends_the_trust",
    ),
    Sabotage(
        "3", "vectors are paid for by the call that asks for them", "gateway/charging/charge.py",
        "amount=found.amount + both.looked_up,", "amount=found.amount,",
        SIMILAR + "test_a_call_that_asks_the_model_too_costs_both_and_leaves_nothing_reserved",
    ),
    Sabotage(
        "5", "answers are never given from one person to another", "gateway/rules/similar.py",
        "first.provider, first.model, call.subject_id\n", "first.provider, first.model\n",
        SIMILAR + "test_people_and_calls_whose_contents_are_not_kept_are_never_mixed",
    ),
    Sabotage(
        "4", "a database that went back is noticed while running", "ledger/batch.py",
        "        if finding and HALT not in working:\n", "        if False:\n",
        "tests/ledger/test_continuity.py::test_a_log_that_went_back_halts_every_writer_until_a_gap_is_declared",
    ),
    Sabotage(
        "4", "a file that was replaced is noticed", "ledger/batch.py",
        "        connection.require_in_place()\n", "",
        "tests/ledger/test_continuity.py::test_a_file_that_was_replaced_under_the_writer_is_not_written_on",
    ),
    Sabotage(
        "4", "a period is complete only when it was over", "ledger/verify.py",
        "        if high == size:\n", "        if False:\n",
        PACK + "test_a_period_that_is_not_over_is_not_called_complete",
    ),
    Sabotage(
        "4", "the attachment a reader finds is the one that is checked", "ledger/pdf.py",
        '        if [name for one in found for name in one.names].count("EF") != 1:\n', "        if False:\n",
        "tests/system/test_mutants.py::test_both_verifiers_say_what_they_must_of_packs_that_were_built[paper]",
    ),
    Sabotage(
        "6", "a release holds for what its person saw", "gateway/state/rows.py",
        'return "released" if row.get("released_version") == row.get("version") else "stale"', 'return "released"',
        "tests/system/test_releases.py::test_a_change_of_what_was_released_is_refused_in_prod_until_a_person_releases_again",
    ),
    Sabotage(
        "9", "a price begins on its day", "gateway/pricing/prices.py",
        '    if row.get("from", "") > utc.date().isoformat():\n', "    if False:\n",
        "tests/gateway/test_catalogue.py::test_a_price_begins_on_its_day_without_an_activation_and_an_early_call_keeps_the_old_one",
    ),
    Sabotage(
        "4", "the head moves by compare-and-swap",
        "ledger/store/writer.py",
        "frontier = ?, at = ? WHERE size = ? AND last_hash = ?",
        "frontier = ?, at = ? WHERE ? >= 0 AND ? IS NOT NULL",
        LOG + "test_the_head_moves_only_from_where_it_was",
    ),
    Sabotage(
        "4", "the pages of a log are joined by their hashes", "ledger/verify_log.py",
        "        if page.prev != prev:\n", "        if False:\n",
        "tests/ledger/test_verify_log.py::test_a_log_verifies_and_a_changed_one_does_not",
    ),
    Sabotage(
        "4", "the database must continue the head file", "ledger/checkpointing.py",
        "    if head.size < held.size:\n", "    if False:\n", LOG + "test_a_cut_tail_halts_the_start",
    ),
    Sabotage(
        "4", "the signed past is compared", "ledger/checkpointing.py",
        "    if held.size and reader.tree.subtree(0, held.size) != held.root:\n", "    if False:\n",
        LOG + "test_a_rewritten_past_halts_the_start",
    ),
    Sabotage(
        "4", "entries are read back before they are signed", "ledger/checkpointing.py",
        "        reread = self._read_back(head.size)\n        if reread.root() != head.frontier.root():\n",
        "        reread = head.frontier\n        if False:\n",
        LOG + "test_a_bit_that_flipped_between_hashing_and_storing_is_never_signed",
    ),
    Sabotage(
        "4", "the verifier pins the key", "ledger/verify.py",
        '        checkpoints.verified(self._files["checkpoint"], self._vkeys)\n', "",
        PACK + "test_a_rewrite_signed_by_another_key_is_refused",
    ),
    Sabotage(
        "4", "the verifier compares the held head", "ledger/verify.py",
        "        if head.size > now.size:\n", "        if head.size > now.size:\n            return\n        if False:\n",
        PACK + "test_a_cut_tail_shows_against_a_held_head",
    ),
    Sabotage(
        "4", "the range proof leads to the signed root", "ledger/verify.py",
        "        merkle.verify_range(\n            self._checkpoint.size, found.low, self._leaves, found.left, found.right, self._checkpoint.root\n        )\n",
        "", PACK + "test_amounts_edited_with_chain_and_root_recomputed_are_refused",
    ),
    Sabotage(
        "4", "the seal's signature is verified",
        "ledger/seal.py",
        "        public_key.verify(signature, _tlv(0x31, attributes), ec.ECDSA(hashes.SHA256()))\n",
        "        pass\n",
        PACK + "test_a_seal_with_the_right_digest_and_another_signature_is_refused",
    ),
    Sabotage(
        "4", "a skipped check never counts as a pass", "ledger/steps.py",
        "        self.report.note(name, NOT_CHECKED, why)\n", "        self.report.note(name, PASS, why)\n",
        PACK + "test_the_pack_verifies_up_to_the_level_that_was_checked",
    ),
    Sabotage(
        "5", "commitments are salted", "ledger/disclosure.py",
        "    salt = b64(random_bytes(SALT_BYTES))\n", "    salt = b64(bytes(SALT_BYTES))\n",
        SEALING + "test_equal_values_have_unequal_commitments",
    ),
    Sabotage(
        "5", "contents are sealed under the person's key", "ledger/store/vault.py",
        "self.key(key_ref).seal(plain", "self.key(LEDGER_KEY).seal(plain",
        SEALING + "test_destroying_a_subject_key_takes_contents_and_pseudonym_with_it",
    ),
    Sabotage(
        "5", "entries hold pseudonyms, not identifiers", "ledger/sealing.py",
        '        return f"{kind}.{b64(tag[:16])}"', '        return f"{kind}.{identifier}"',
        PROMISES + "test_no_personal_data_and_no_secret_stands_in_the_database_in_clear",
    ),
    Sabotage(
        "6", "every level of approval is answered", "reports/why/story.py",
        "_latest_before(evidence.find(\"config\", digest), last)", "[]",
        "tests/system/test_stories.py::test_approval_is_answered_at_three_levels",
    ),
    Sabotage(
        "6", "what is not known is part of the answer", "reports/why/questions.py",
        '    if not any(call.overrides for call in story.every):\n        lines.append(', '    if False:\n        lines.append(',
        "tests/system/test_stories.py::test_every_question_has_its_expected_answer",
    ),
    Sabotage(
        "6", "a list that contradicts its entries is found", "reports/why/answer.py",
        "(*check.failures, *story.contradictions)", "check.failures",
        "tests/system/test_explaining.py::test_a_list_that_contradicts_the_entries_is_found_on_the_page_that_tells_them",
    ),
    Sabotage(
        "6", "a provider's response id leads to its call", "gateway/pipeline/settle.py",
        "    if outcome.response_id:\n        facts[\"response_ref\"]", "    if False:\n        facts[\"response_ref\"]",
        "tests/system/test_stories.py::test_any_id_in_hand_leads_to_the_story",
    ),
    Sabotage(
        "9", "the cost is what row, rate and usage give", "gateway/pricing/money.py",
        "        + usage.output * price.output\n", "        + usage.output * price.input\n",
        PROMISES + "test_the_cost_of_a_call_is_what_its_row_rate_and_usage_give",
    ),
    Sabotage(
        "5", "a line of the access log names a route and no address", "gateway/web/access.py",
        "        return str(pattern)\n", "        return str(scope['path'])\n",
        "tests/system/test_command_line.py::test_each_request_is_a_line_that_quotes_nothing_of_it",
    ),
    Sabotage(
        "6", "a pack that nobody asks for is not made", "gateway/packing.py",
        "    if actor is None and request.scheduled is None:\n", "    if False:\n",
        PACK + "test_a_pack_names_its_maker_and_one_that_nobody_asks_for_is_not_made",
    ),
    Sabotage(
        "6", "nothing is recorded of a pack that cannot be written", "gateway/cli/files.py",
        "        if path.is_dir():\n", "        if False:\n",
        "tests/system/test_command_line.py::test_a_pack_that_cannot_be_written_is_refused_before_anything_is_recorded",
    ),
    Sabotage(
        "9", "a pack's counts are recomputed", "ledger/verify.py",
        "        if wrong:\n", "        if False:\n", PACK + "test_an_invented_count_is_refused",
    ),
    Sabotage(
        "10", "state follows from the entries alone", "gateway/pipeline/open.py",
        "        return Step(drafts=[draft], changes=changes_of(draft, state), answer=_answer(draft, plan))\n",
        "        moved = changes_of(draft, state) | {'hidden': 1}\n"
        "        return Step(drafts=[draft], changes=moved, answer=_answer(draft, plan))\n",
        PROMISES + "test_dropping_and_rebuilding_the_projections_changes_nothing",
    ),
    Sabotage(
        "1", "the flush comes before the bytes that rest on it", "ledger/store/engine.py",
        '"synchronous=FULL"', '"synchronous=NORMAL"',
        FLUSH + "test_the_open_is_flushed_before_the_provider_and_the_close_before_the_end",
    ),
    Sabotage(
        "1", "PostgreSQL waits for the disk whatever its default is", "ledger/store/engine.py",
        '"synchronous_commit": "on"', '"synchronous_commit": "off"',
        LOG + "test_the_writer_waits_for_the_disk[postgresql]",
    ),
    Sabotage(
        "1", "a commit whose outcome is unknown is looked up", "ledger/batch.py",
        "        if self._in_doubt and self._find_out(batch):\n", "        if False:\n",
        LOG + "test_a_commit_that_failed_but_persisted_is_acknowledged",
    ),
    Sabotage(
        "1", "a commit in the loop that failed wakes nobody before it is looked up", "ledger/log.py",
        "            if batch.tried and batch.error is None:\n", "            if batch.tried:\n                batch.error = None\n",
        "tests/ledger/test_log_in_loop.py::test_a_commit_that_failed_is_looked_up_and_told[loop-sqlite-False]",
    ),
    Sabotage(
        "1", "a slow disk is left to the thread, so that the loop goes on", "ledger/log.py",
        " or self._writer.flush_seconds >= SWIFT_SECONDS", "",
        "tests/ledger/test_log_in_loop.py::test_a_unit_alone_is_flushed_in_the_loop_until_the_disk_is_slow[sqlite-0.05]",
    ),
    Sabotage(
        "3", "kept state is read again when another process wrote", "ledger/batch.py",
        "        if connection.others_wrote() or self._head is None", "        if self._head is None",
        "tests/ledger/test_log_in_loop.py::test_what_another_process_wrote_is_seen[loop-sqlite]",
    ),
    Sabotage(
        "3", "an answer that was cut may have been billed", "gateway/upstream/exchange.py",
        '        if self.status and error is None and not chunked and "content-length" not in self.headers:\n', "        if self.status:\n",
        "tests/gateway/test_upstream.py::test_what_broke_after_sending_may_have_been_billed",
    ),
    Sabotage(
        "4", "bytes that nobody asked for are no answer", "gateway/upstream/exchange.py",
        "            raise UpstreamCut(\"it answers what was not asked\")\n", "            pass\n",
        "tests/gateway/test_upstream.py::test_bytes_that_nobody_asked_for_are_never_the_next_answer",
    ),
    Sabotage(
        "3", "the head row is locked while units run (PostgreSQL)", "ledger/store/writer.py",
        "{leaf} FROM head FOR UPDATE", "{leaf} FROM head",
        LOG + "test_units_of_two_writers_never_run_at_once[postgresql]",
    ),
    Sabotage(
        "1", "the server ends a session that hangs in its transaction (PostgreSQL)", "ledger/store/engine.py",
        '"idle_in_transaction_session_timeout": f"{STALL_SECONDS}s"', '"idle_in_transaction_session_timeout": "0"',
        "tests/system/test_environment_postgresql.py::"
        "test_a_process_stopped_inside_its_transaction_stalls_the_others_only_for_a_while",
    ),
    Sabotage(
        "3", "a workflow's cap counts", "gateway/rules/route.py",
        "    if workflow and workflow.max_budget_daily is not None:\n", "    if False and workflow:\n",
        PROMISES + "test_workflows_and_keys_have_caps_of_their_own",
    ),
    Sabotage(
        "3", "a key's cap counts", "gateway/rules/route.py",
        "caps=choice.caps if principal.cap is None else", "caps=choice.caps if True else",
        PROMISES + "test_workflows_and_keys_have_caps_of_their_own",
    ),
    Sabotage(
        "3", "a day is that of the organisation's time zone", "gateway/days.py",
        "at.astimezone(ZoneInfo(zone)).date()", "at.date()",
        "tests/gateway/test_route.py::test_a_budget_s_day_is_the_date_on_the_wall_when_the_clocks_change_too",
    ),
    Sabotage(
        "4", "TRUNCATE is refused too (PostgreSQL)", "migrations/log/0001_log.py",
        '("entry", "UPDATE OR DELETE OR TRUNCATE")', '("entry", "UPDATE OR DELETE")',
        LOG + "test_the_database_refuses_to_change_delete_replace_or_leave_gaps[postgresql]",
    ),
    Sabotage(
        "4", "one of several processes signs", "ledger/checkpointing.py",
        'kept["by"] != self._name and kept["until"] > format_time(self._clock())', "False",
        LOG + "test_one_of_two_processes_signs_and_the_other_takes_over_when_it_is_not_heard_of",
    ),
    Sabotage(
        "4", "a damaged backup is not restored", "gateway/store/backups.py",
        'if _digest(folder / name) != manifest["files"][name]:', "if False:",
        BACKUP + "test_a_damaged_backup_and_a_full_house_are_refused",
    ),
    Sabotage(
        "4", "contents that are taken away or added are found without the key store", "ledger/verify_contents.py",
        "        found = _presence(committing, [row.seq for row in rows])\n", "        found = NOTHING\n",
        TAMPERED + "[sqlite-deleted]",
    ),
    Sabotage(
        "4", "contents are opened and held against their commitments by the verifier", "ledger/verify_contents.py",
        "        for batch in _batches(rows) if opening else ():\n", "        for batch in ():\n",
        TAMPERED + "[sqlite-swapped]",
    ),
    Sabotage(
        "4", "each disclosure must have the committed digest", "ledger/disclosure.py",
        "        open_disclosure(disclosures[name], name=name, commitment=commitment)\n", "        pass\n",
        CONTENTS + "test_contents_sealed_anew_by_who_has_the_keys_are_found",
    ),
    Sabotage(
        "4", "contents beyond the log are found", "ledger/verify_contents.py",
        "    for seq in kept.strays(size):\n", "    for seq in ():\n", TAMPERED + "[sqlite-added beyond the log]",
    ),
    Sabotage(
        "5", "what no person's key can have sealed never passes for erased", "gateway/store/contents.py",
        "    if not (sealed.key == LEDGER_KEY or (personal and", "    if False and not (sealed.key == LEDGER_KEY or (personal and",
        TAMPERED + "[sqlite-made to look erased]",
    ),
    Sabotage(
        "5", "contents of one subject are under one key", "ledger/verify_contents.py",
        "            if other.key != row.key:\n", "            if False:\n",
        CONTENTS + "test_the_contents_of_a_subject_s_call_cannot_be_made_to_look_erased_one_by_one",
    ),
    Sabotage(
        "6", "an answer over contents that are not what was committed to says so", "gateway/store/evidence.py",
        '        failures += [f"entry {seq}: contents: {why}" for seq, why in sorted(self._wrong.items())]\n', "",
        TAMPERED + "[sqlite-changed]",
    ),
    Sabotage(
        "4", "a backup's contents are opened", "gateway/store/backups.py",
        "kept=live, opening=opening,", "kept=live,", TAMPERED + "[sqlite-truncated]",
    ),
    Sabotage(
        "4", "contents are append-only", "migrations/log/0004_contents_are_append_only.py",
        'for verb in ("UPDATE", "DELETE")', 'for verb in ("DELETE",)',
        LOG + "test_the_database_refuses_to_change_delete_replace_or_leave_gaps[sqlite]",
    ),
    Sabotage(
        "5", "the log shows no local variables", "gateway/server.py", "    logs.set_up()\n", "",
        SECRETS + "test_a_fault_before_the_open_tells_nothing[gateway.pipeline.run.parse]",
    ),
    Sabotage(
        "5", "what an exception quotes is left out of the log", "gateway/logs.py",
        'return f"{kind} (what it says is left out, as it may quote a request)" if str(error) else kind', 'return f"{kind}: {error}"',
        SECRETS + "test_a_fault_after_the_open_tells_nothing[gateway.pipeline.relay.first_answer]",
    ),
    Sabotage(
        "5", "a provider's error is passed on without the key it quotes", "gateway/upstream/answer.py",
        "return self.redacted(body) if self.status != OK else body", "return body",
        SECRETS + "test_a_provider_s_error_that_quotes_the_key_tells_nothing[json-400-whole]",
    ),
    Sabotage(
        "9", "a provider without a usable key was not asked and costs nothing", "gateway/pipeline/attempt.py",
        'note("no_credential", "no")', 'note("no_credential", "unknown")',
        SECRETS + "test_a_key_file_that_is_wrong_is_a_failed_attempt_with_a_fallback_and_tells_nothing[empty]",
    ),
)  # fmt: skip


def copy_to(folder: Path) -> Path:
    for name in PACKAGES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


def run(folder: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests against the copy: its packages come first on the path."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    tried = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        said, complained = tried.communicate(timeout=600)
    finally:
        with contextlib.suppress(ProcessLookupError):  # what a test left that was cut short
            os.killpg(tried.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(command, tried.returncode, said, complained)


def trips(sabotage: Sabotage) -> str | None:
    """Return None when the test went red, else what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        root = copy_to(Path(folder))
        path = root / sabotage.file
        text = path.read_text("utf-8")
        if text.count(sabotage.old) != 1:
            return f"the text to change stands {text.count(sabotage.old)} times in {sabotage.file}"
        path.write_text(text.replace(sabotage.old, sabotage.new), "utf-8")
        done = run(root, sabotage.test)
        if done.returncode == 0:
            return f"{sabotage.test} stayed green"
        if done.returncode != 1 or " failed" not in done.stdout:
            return f"the tests did not run: {done.stdout[-300:]}{done.stderr[-300:]}"
        return None


def fails_unharmed(tests: Sequence[str]) -> str | None:
    """Return None when the tests pass on an unharmed copy, else what they printed."""
    with tempfile.TemporaryDirectory() as folder:
        done = run(copy_to(Path(folder)), *tests)
        return f"{done.stdout[-3000:]}{done.stderr[-300:]}" if done.returncode else None


def main() -> int:
    tests = sorted({one.test for one in SABOTAGES})
    bad = 0
    with ThreadPoolExecutor(2) as pool:
        unharmed = [] if "--passed" in sys.argv[1:] else [tests[::2], tests[1::2]]
        if failed := [printed for printed in pool.map(fails_unharmed, unharmed) if printed is not None]:
            print(*failed, "the unharmed source must pass first", sep="\n")
            return 1
        for sabotage, wrong in zip(SABOTAGES, pool.map(trips, SABOTAGES), strict=True):
            bad += wrong is not None
            print(
                f"promise {sabotage.promise:<3} off: {sabotage.mechanism:<60} {'red, as it must be' if wrong is None else wrong}"
            )
            if wrong is None:
                print(f"            {sabotage.test.partition('::')[2]}")
    print(f"{len(SABOTAGES) - bad} of {len(SABOTAGES)} mechanisms are held by a test")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
