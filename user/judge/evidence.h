/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * evidence.h - the sentences that say why the judge believes in a leak.
 *
 * Each has a code for scripts, which stays, and words for people, which may change: one clause of
 * at most 20 words, read at night.  tests/sentences holds them to that.
 *
 *	finding_because(s, f, EVIDENCE_IDLE_INSIDE, seconds)
 */
#ifndef DBLEAK_JUDGE_EVIDENCE_H
#define DBLEAK_JUDGE_EVIDENCE_H

/* Growth of memory. */
#define EVIDENCE_LOWEST_ROSE                                                                 \
	"lowest-memory-rose", "lowest memory use rose from %s to %s in %.0f s, in %u of %u " \
			      "intervals%s"
#define EVIDENCE_FREED_AT_EXIT "freed-only-at-exit", "freed only because the process ended"
#define EVIDENCE_GROWS_ON_FAILURES \
	"grows-when-transactions-fail", "memory grows when transactions fail, and only then"
#define EVIDENCE_DROPPED_TO_HIGHER  \
	"dropped-to-higher-levels", \
		"memory dropped several times, each time to a higher level than before"
#define EVIDENCE_COLLECTOR_MOVED                                                       \
	"collector-moved-memory",                                                      \
		"line unknown: the garbage collector of %s moved %s, which hides who " \
		"allocated it%s"
#define EVIDENCE_COLLECTED_MEANWHILE \
	"collections-ran-meanwhile", "%llu full garbage collections ran meanwhile"
#define EVIDENCE_NOT_COLLECTED_MEANWHILE                                                       \
	"no-collection-meanwhile", "no full garbage collection ran meanwhile: part of it may " \
				   "be garbage"
#define EVIDENCE_TO_SEE		   "how-to-see-more", "to see what it is, compare: %s"
#define EVIDENCE_LINE_UNKNOWN	   "line-unknown", "line unknown: %s%s"
#define EVIDENCE_OF_THE_GROWTH	   "line-explains-growth", "%s of the %s growth comes from this line%s"
#define EVIDENCE_REST_UNKNOWN	   "rest-unknown", "the other %s comes from unknown or many lines"
#define EVIDENCE_NOT_FREED_AT_MOST "not-freed-at-most", "at most %s is not freed (%s)"
#define EVIDENCE_NOT_FREED_ABOUT   "not-freed-about", "%s, give or take %s, is not freed (%s)"
#define EVIDENCE_NOT_FREED	   "not-freed", "%s is not freed (%s)"
#define EVIDENCE_MAY_BE_MOMENTARY \
	"may-be-momentary", "may be a line that needs much only for a moment%s"
#define EVIDENCE_REALLOC_MOVED                                                                    \
	"realloc-moved", "realloc moved %s of it, counted as not freed because the process grew " \
			 "by as much"
#define EVIDENCE_AT_LEAST    "at-least", "at least so much: not all of it could be recorded"
#define EVIDENCE_SCALED_UP   "scaled-up", "measured in short samples and scaled up"
#define EVIDENCE_ARE_RESULTS "are-query-results", "%s of the %s allocated here are query results"
#define EVIDENCE_YOUNG                                                                          \
	"process-is-young", "the process is only %.0f s old; warming up looks the same: watch " \
			    "longer"
#define EVIDENCE_MAY_BE_FILLING \
	"may-be-filling", "a cache that is still filling looks the same: watch longer"

/* Lines. */
#define EVIDENCE_AT_THIS_LINE	  "count-at-line", "%llu at this line%s"
#define EVIDENCE_CALLED_FROM	  "called-from", "called from %s"
#define EVIDENCE_CALLED_FROM_MANY "called-from-many", "called from:%s"
#define EVIDENCE_LINE_OPENED                                                           \
	"line-opened-connection",                                                      \
		"the line opened the connection; where the transaction began was not " \
		"seen"
#define EVIDENCE_LINE_OPENED_FIRST    \
	"line-opened-for-statements", \
		"the line opened the connection; which line prepared the statements was not seen"
#define EVIDENCE_LINE_BEGAN       \
	"line-began-transaction", \
		"the line began its last transaction; where it was opened was not seen"

/* Connections. */
#define EVIDENCE_IDLE_WHILE_NEWER                                                    \
	"idle-while-newer-opened",                                                   \
		"%zu stayed idle while newer ones were opened, and were never used " \
		"again"
#define EVIDENCE_IN_TRANSACTION "open-transaction-on-them", "%zu of them have an open transaction"
#define EVIDENCE_SAME_THREAD       \
	"same-thread-opened-next", \
		"in %zu case%s the thread that had opened one also opened the next"
#define EVIDENCE_CLOSED_AT_EXIT \
	"closed-only-at-exit", "%zu were closed only because the process ended"
#define EVIDENCE_CLOSED_BY_COLLECTOR                                                             \
	"closed-by-collector", "%zu stayed idle while newer ones were opened, then were closed " \
			       "together, as by a garbage collector"
#define EVIDENCE_OUTLIVED_COLLECTIONS                                                       \
	"outlived-collections",                                                             \
		"%zu outlived %llu full garbage collections since the last use: something " \
		"still refers to each"
#define EVIDENCE_NOT_COLLECTED \
	"no-collection-since", \
		"no full garbage collection ran since: the collector may still close them"
#define EVIDENCE_OTHERS_COLLECTED                                                               \
	"others-closed-by-collector", "%zu others were closed together, long after their use, " \
				      "as by a garbage collector"
#define EVIDENCE_MOST_AT_ONCE "most-open-at-once", "at most %llu were open at the same time"
#define EVIDENCE_HUNG_UP                                                                \
	"closed-by-server",                                                             \
		"the server closed %zu connection%s; the client never closed its side " \
		"(CLOSE_WAIT)"

/* Pools that are full. */
#define EVIDENCE_HELD_IDLE \
	"held-and-idle", "%zu of %zu connections are taken and idle, the latest for %.0f s"
#define EVIDENCE_REQUESTS_UNANSWERED \
	"requests-unanswered", "%u request%s no answer yet, the oldest for %.0f s"
#define EVIDENCE_UNUSED_SINCE \
	"unused-since", "%zu connections are idle, and none was used since those requests came"
#define EVIDENCE_MAY_WAIT_FOR_OTHERS \
	"may-wait-for-others",       \
		"requests that wait for something else, such as long polls, look the same"
#define EVIDENCE_POOL_BY_NAME \
	"pool-by-its-words", "only the words of that line say that they wait for a connection"

/* Cursors. */
#define EVIDENCE_REPLY_UNREAD \
	"reply-unread", "rows wait unread in %zu socket%s, and none was read for %.0f s"
#define EVIDENCE_OPENED_INSTEAD "opened-instead", "the process opened newer connections meanwhile"
#define EVIDENCE_HOLD_GROWS                                                                    \
	"with-hold-grows", "WITH HOLD cursors stay open after commit, and their number keeps " \
			   "growing"
#define EVIDENCE_HOLD_IDLE                                                                         \
	"with-hold-idle", "WITH HOLD cursors stay open after commit; their connections were idle " \
			  "for %.0f s"
#define EVIDENCE_SERVER_KEEPS_RESULT \
	"server-keeps-result", "the server keeps the full result of each cursor until CLOSE"
#define EVIDENCE_UNREAD_GROWS \
	"unread-rows-grow", "%llu statements still have unread rows, and the number keeps growing"
#define EVIDENCE_UNREAD_IDLE \
	"unread-rows-idle", "rows were left unread; the connection was idle for %.0f s"
#define EVIDENCE_READ_LOCK                                                                       \
	"holds-read-lock", "each holds a read lock until closed: checkpoints stop, and without " \
			   "WAL nobody can write"
#define EVIDENCE_ROWS_WAIT \
	"rows-wait-at-server", "the server still has rows to send; none was read for %.0f s"
#define EVIDENCE_CONNECTION_BLOCKED \
	"connection-blocked", "until they are read or freed, this connection can do nothing else"

/* Files of SQLite. */
#define EVIDENCE_LOG_GREW                                                               \
	"log-grew-behind-reader",                                                       \
		"the write-ahead log grew by %.1f MB to %.1f MB while this reader was " \
		"open; %s"
#define EVIDENCE_ROWS_NOT_READ "rows-not-read", "the remaining rows were not read for %.0f s"

/* Connections closed by half. */
#define EVIDENCE_SOCKETS_CLOSED    \
	"objects-without-sockets", \
		"%zu %s are not freed; their sockets are closed, so only memory leaks"
#define EVIDENCE_LIBRARY_CLOSED    \
	"sockets-without-objects", \
		"the library closed %zu connection%s, but the socket%s still open"

/* Objects of libraries. */
#define EVIDENCE_EACH_USES	 "each-uses", "each uses %s"
#define EVIDENCE_EACH_USES_ABOUT "each-uses-about", "each uses about %s (measured on %llu)"
#define EVIDENCE_MORE_NOT_FREED                                                                \
	"more-not-freed", "%llu more %s than at the start are not freed; the number grew for " \
			  "%.1f s"
#define EVIDENCE_ONE_PATH_FORGETS \
	"one-path-forgets", "%llu of %llu from this line were freed%s: probably one path forgets"
#define EVIDENCE_OBJECTS_FREED_AT_EXIT \
	"objects-freed-only-at-exit", "freed only because the process ended"
#define EVIDENCE_COUNTED_UNTIL                                                                    \
	"counted-at-first-only", "counted only for the first %.0f s, then counting was switched " \
				 "off"
#define EVIDENCE_ONLY_MEMORY \
	"only-memory-leaks", "the sockets are closed: only memory leaks, the server sees nothing"
#define EVIDENCE_LINE_MADE	  "line-made-and-freed", "this line made %llu %s and freed %llu"
#define EVIDENCE_LEAKED_WITH_THEM "leaked-with-them", "%llu %s leaked with them"

/* Memory beside other leaks. */
#define EVIDENCE_GREW_MEANWHILE \
	"process-grew-meanwhile", "meanwhile the process grew by %s in %.0f s%s"
#define EVIDENCE_ALLOCATED_NOT_FREED "allocated-not-freed", "%s allocated by this line is not freed"
#define EVIDENCE_MORE_BLOCKS                                                                       \
	"more-blocks-not-freed", "%llu more blocks of this line than at the start are not freed; " \
				 "growing for %.1f s"
#define EVIDENCE_MORE_BYTES                                                              \
	"more-bytes-not-freed",                                                          \
		"%s more of this line than at the start is not freed; growing for %.1f " \
		"s"
#define EVIDENCE_ITS_MEMORY "its-memory-not-freed", "%s of its memory is still not freed"
#define EVIDENCE_USES_MORE  "process-uses-more", "the process now uses %s more than before"

/* Results. */
#define EVIDENCE_GREW_READING_ONE                                                                 \
	"grew-while-reading-one", "the process grew by %.1f MB while reading one result of %.1f " \
				  "MB"
#define EVIDENCE_GREW_READING \
	"grew-while-reading", "the process grew by %.1f MB while reading these rows%s"
#define EVIDENCE_MANY_LARGE "many-large-results", "%llu results of this database were this large"

/* Statements. */
#define EVIDENCE_SAME_TEXT                                                                         \
	"same-text-open", "%zu open statements on one connection have the same SQL text, so this " \
			  "is no cache"
#define EVIDENCE_STATEMENTS_GROW \
	"statements-grow", "one connection has %llu open statements, and the number keeps growing"
#define EVIDENCE_TEXTS_DIFFER \
	"texts-differ-in-values", "%zu of the SQL texts differ only in their values"
#define EVIDENCE_CLOSED_WITH_STATEMENTS                                                \
	"closed-with-statements",                                                      \
		"%zu connection%s closed with statements still open: memory and file " \
		"stay until those are finalized"

/* Transactions. */
#define EVIDENCE_NO_STATEMENT_RUN \
	"no-statement-run-inside", "no statement has run inside the transaction for %.0f s"
#define EVIDENCE_IDLE_INSIDE                                                        \
	"idle-inside-transaction",                                                  \
		"idle inside the transaction for %.0f s; the server waits for the " \
		"client"
#define EVIDENCE_SERVER_SAYS_BEGUN "server-says-begun", "the server says that it began %.0f s ago"
#define EVIDENCE_BEGIN_UNSEEN	   "begin-not-seen", "begun before the watch, at an unknown time"
#define EVIDENCE_BEGINS_UNSEEN	   "begins-not-seen", "%zu of them were begun before the watch"
#define EVIDENCE_OTHERS_USED \
	"others-used-meanwhile", "meanwhile other connections were used for %.0f s"
#define EVIDENCE_ENDED_AT_EXIT "ended-only-at-exit", "%zu ended only because the process ended"
#define EVIDENCE_LONGEST_PAUSE "longest-normal-pause", "the longest normal pause here was %.1f s"
#define EVIDENCE_PAUSES_SHORT  "normal-pauses-short", "normal pauses here are 0.1 s or less"
#define EVIDENCE_WAITS_ELSEWHERE \
	"waits-for-another-server", "meanwhile its thread waits for %s, no database, for %.0f s"
#define EVIDENCE_FILE_LOCKED                                                      \
	"file-locked-by-changes",                                                 \
		"rows were changed: nobody else can write to this database file " \
		"until it ends"
#define EVIDENCE_ROWS_LOCKED \
	"rows-locked-by-changes", "rows were changed: they stay locked until the transaction ends"
#define EVIDENCE_CURSOR_TOO "cursor-left-open-too", "a cursor was left open in it, too"

#endif
