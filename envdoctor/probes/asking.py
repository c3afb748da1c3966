"""Asks several programs of the target at once, each with its own time limit."""

import threading
from collections.abc import Mapping, Sequence

from envdoctor.programs import Completed, Programs

AT_ONCE = 4


def ask_all(
    programs: Programs,
    commands: Sequence[Sequence[str]],
    seconds: float,
    environment: Mapping[str, str],
) -> tuple[Completed, ...]:
    """What each command left, in the order of the commands; at most AT_ONCE of them run at the same time."""
    answers: dict[int, Completed] = {}
    waiting = list(enumerate(commands))[::-1]
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if not waiting:
                    return
                index, command = waiting.pop()
            answers[index] = programs.run(command, seconds, environment)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(min(AT_ONCE, len(commands)) - 1)]
    for worker in workers:
        worker.start()
    work()
    for worker in workers:
        worker.join()
    never = "it was never started"
    return tuple(
        answers.get(index) or Completed(tuple(command), None, "", "", never) for index, command in enumerate(commands)
    )


def refusal(answer: Completed) -> str:
    """Why an answer says nothing: ended, not started, or a status with the first line of its complaint."""
    if answer.problem:
        return answer.problem
    said = next((line.strip() for line in (answer.stderr + "\n" + answer.stdout).splitlines() if line.strip()), "")
    if answer.status:
        return f"`{' '.join(answer.command)}` ended with status {answer.status}" + (f": {said[:200]}" if said else "")
    return f"`{' '.join(answer.command)}` printed {said[:80]!r}, which is no version"
