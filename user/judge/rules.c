/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * rules.c - see rules.h.
 */
#include "user/judge/rules.h"

#include "user/judge/explain.h"

#define FUNCTION(name) .function = #name, .look = (name)

const struct rule rules_of_endpoint[] = {
	{.title = "connections never used again",
	 .question = "Did the program open new connections while older ones lay idle for good?",
	 FUNCTION(rule_connections)},
	{.title = "connections that the server closed",
	 .question = "Did the server close connections that the program has not closed yet?",
	 FUNCTION(rule_hung_up)},
	{.title = "transactions never ended",
	 .question = "Is the program silent inside a transaction, for longer than it usually is?",
	 FUNCTION(rule_transactions)},
	{.title = "statements never closed",
	 .question = "Has one connection more open statements than a cache keeps, or one text many "
		     "times?",
	 FUNCTION(rule_statements)},
	{.title = "connections closed before their statements",
	 .question = "SQLite: were connections closed while their statements were open?",
	 FUNCTION(rule_zombies)},
	{.title = "large results read at once",
	 .question = "Did the process grow with a large result that it read as a whole?",
	 FUNCTION(rule_results)},
	{.title = "connections closed by half",
	 .question = "Is only one of two closed for long: the library's object or its socket?",
	 FUNCTION(rule_halves)},
	{.title = "readers behind which the log grows",
	 .question = "SQLite: does the write-ahead log grow behind a reader that has stopped?",
	 FUNCTION(rule_wal)},
	{.title = "cursors never closed",
	 .question = "Are cursors, or statements with rows to read, open and unused?",
	 FUNCTION(rule_cursors)},
	{.title = "full pools whose connections are idle",
	 .question = "Do threads wait for a connection while all are taken and idle?",
	 FUNCTION(rule_pool)},
	{},
};

const struct rule rules_of_process[] = {
	{.title = "results not read to their end",
	 .question = "Do rows wait at the server for a program that reads none of them?",
	 FUNCTION(rule_unread)},
	{.title = "objects of client libraries never freed",
	 .question = "Does one line allocate ever more objects that are not freed?",
	 FUNCTION(rule_sites)},
	{.title = "memory never freed",
	 .question = "Does the memory of the process grow without end, and which line takes it?",
	 FUNCTION(rule_memory)},
	{},
};

int rules_run(const struct rule *rules, struct rule_input *s)
{
	int err = 0;

	for (; rules->look && !err; rules++) {
		size_t before = s->finding_count;

		explain_begin(s, rules->title, rules->function, rules->question);
		err = rules->look(s);
		explain_end(s, before);
	}
	return err;
}
