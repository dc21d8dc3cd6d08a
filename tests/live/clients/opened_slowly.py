# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""Opens connections when it is told to (SIGUSR1), and tells how many seconds each took.

opened_slowly.py N [DELAY]  N at the server's pace; then one that a PostgreSQL server delays by so many seconds
"""
import signal
import sys
import time

import db

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
__import__(db.DRIVER)  # so that no opening pays for it
kept = []


def timed(**more):
    began = time.monotonic()
    kept.append(db.connect(**more))
    print("took", time.monotonic() - began, flush=True)


db.ready()
signal.sigwait({signal.SIGUSR1})
for number in range(int(sys.argv[1])):
    timed()
for delay in sys.argv[2:]:
    timed(options=f"-c post_auth_delay={delay}")
db.idle()
