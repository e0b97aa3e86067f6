"""The rules of the queue in a box, on a clock that the test moves."""

from __future__ import annotations

import pytest

from f5_serverless.serve.queue_faults import FaultPlan
from f5_serverless.serve.queue_state import QueueRules, QueueState


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(clock: Clock) -> QueueState:
    return QueueState(QueueRules(execution_timeout=100, lost_after=5, max_deliveries=3), clock)


def test_jobs_are_taken_oldest_first(state: QueueState) -> None:
    first, second = state.submit({"n": 1}), state.submit({"n": 2})
    assert state.take("a", 2) == [first, second]
    assert state.take("a") == []


def test_a_named_job_stays_and_an_unnamed_one_goes_back(state: QueueState, clock: Clock) -> None:
    kept, lost = state.submit({}), state.submit({})
    state.take("a", 2)
    for clock.now in (3.0, 6.0):
        state.ping("a", [kept.id])
    state.tick()
    assert (kept.status, lost.status) == ("IN_PROGRESS", "IN_QUEUE")
    assert state.take("b") == [lost]
    assert state.health()["jobs"]["retried"] == 1


def test_a_job_that_no_worker_answers_fails_at_last(state: QueueState, clock: Clock) -> None:
    job = state.submit({})
    for _ in range(3):
        assert state.take("a") == [job]
        clock.now += 6
        state.tick()
    assert job.status == "FAILED"
    assert "3 workers" in job.error


def test_the_first_result_counts_and_later_ones_do_not(state: QueueState) -> None:
    job = state.submit({})
    state.take("a")
    assert state.result(job, "a", {"output": 1})
    assert not state.result(job, "a", {"output": 2})
    assert not state.result(job, "b", {"error": "late"})
    assert (job.status, job.output, job.error) == ("COMPLETED", 1, None)
    assert [counted for _, counted in job.results] == [True, False, False]


def test_a_late_result_of_a_worker_thought_dead_stops_its_successor(state: QueueState, clock: Clock) -> None:
    job = state.submit({})
    state.take("a")
    clock.now = 6
    state.tick()
    state.take("b")
    assert state.result(job, "a", {"output": 1})
    assert state.take_stops("b") == [job.id]
    assert state.take_stops("b") == []


def test_a_second_delivery_changes_nothing_about_the_job(state: QueueState) -> None:
    job = state.submit({})
    state.take("a")
    state.deliver_again(job)
    assert state.take("b") == [job]
    assert (job.worker, job.deliveries) == ("a", 2)
    state.deliver_again(job)
    state.result(job, "b", {"output": 1})
    assert state.take("b") == [job]
    assert job.status == "COMPLETED"
    assert state.take("b") == []


def test_a_late_result_of_a_queued_job_ends_it(state: QueueState, clock: Clock) -> None:
    job = state.submit({})
    state.take("a")
    clock.now = 6
    state.tick()
    state.result(job, "a", {"output": 1})
    assert state.take("b") == []


def test_progress_after_the_end_changes_nothing(state: QueueState) -> None:
    job = state.submit({})
    state.take("a")
    state.result(job, "a", {"output": "answer"})
    state.progress(job, {"stage": "synthesise"})
    assert job.output == "answer"
    assert state.counts["late_progress"] == 1


def test_the_execution_timeout_ends_a_job_and_stops_its_worker(state: QueueState, clock: Clock) -> None:
    job = state.submit({}, timeout=10)
    state.take("a")
    clock.now = 11
    state.ping("a", [job.id])
    state.tick()
    assert job.status == "TIMED_OUT"
    assert state.take_stops("a") == [job.id]


def test_cancelling_a_queued_job_takes_it_out_and_a_final_one_stays_as_it_is(state: QueueState) -> None:
    queued, done = state.submit({}), state.submit({})
    state.cancel(queued)
    assert state.take("a") == [done]
    state.result(done, "a", {"output": 1})
    state.cancel(done)
    assert (queued.status, done.status) == ("CANCELLED", "COMPLETED")


def test_a_failed_job_can_be_retried_and_a_completed_one_cannot(state: QueueState) -> None:
    failed, completed = state.submit({}), state.submit({})
    state.take("a", 2)
    state.result(failed, "a", {"error": "no"})
    state.result(completed, "a", {"output": 1})
    assert state.retry(failed)
    assert not state.retry(completed)
    assert state.take("a") == [failed]


def test_results_are_kept_for_a_while(state: QueueState, clock: Clock) -> None:
    job, sync = state.submit({}), state.submit({}, sync=True)
    for each in state.take("a", 2):
        state.result(each, "a", {"output": 1})
    clock.now = 61
    state.tick()
    assert job.id in state.jobs
    assert sync.id not in state.jobs


def test_faults_strike_by_count_and_by_seeded_chance() -> None:
    plan = FaultPlan(seed=3)
    plan.set("done_500", times=2)
    assert [plan.strikes("done_500") for _ in range(3)] == [True, True, False]
    plan.set("take_500", probability=0.5)
    drawn = [plan.strikes("take_500") for _ in range(40)]
    again = FaultPlan(seed=3)
    again.set("take_500", probability=0.5)
    assert drawn == [again.strikes("take_500") for _ in range(40)]
    assert 5 < sum(drawn) < 35
    assert plan.struck == {"done_500": 2, "take_500": sum(drawn)}


@pytest.mark.parametrize(
    ("name", "how"), [("nonsense", {}), ("done_500", {"probability": 2}), ("delay", {"times": -1})]
)
def test_a_fault_that_makes_no_sense_is_refused(name: str, how: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        FaultPlan().set(name, **how)
