/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * program.c - see program.h.  Sources: each program's manual page.
 */
#include "user/base/program.h"

#include <string.h>

#define WRAPPER	    PROGRAM_WRAPPER
#define INTERPRETER PROGRAM_INTERPRETER
#define RUNNER	    PROGRAM_RUNNER
#define DIGITS	    "0123456789"
#define NODE                                                                               \
	.kind = INTERPRETER, .flags = "ihvc", .values = "rC", .code = "pe",                \
	.long_values = " --require --import --loader --experimental-loader --conditions ", \
	.long_code = " --eval --print "
#define SHELL                                                                                    \
	.kind = INTERPRETER, .shell = true, .flags = "abefhiklmnprstuvxBCDEHPT", .values = "oO", \
	.code = "c", .long_flags = " --login --norc --noprofile --posix ",                       \
	.long_values = " --rcfile --init-file "
#define SU                                                                                \
	.kind = RUNNER, .shell = true, .flags = "flmpP", .values = "gGsuwT", .code = "c", \
	.long_flags = " --login --preserve-environment ", .long_code = " --command ",     \
	.long_values = " --shell --group --user --supp-group "
#define MODULE .kind = RUNNER, .flags = "DR", .long_script = " --app --module --wsgi --wsgi-file "

static const struct program programs[] = {
	{.name = "sudo",
	 .kind = WRAPPER,
	 .flags = "AbBEeHinKkNPSsvV",
	 .values = "CDghpRrTtUu",
	 .long_flags = " --login --non-interactive --background --set-home --stdin --askpass "
		       "--shell --preserve-env --reset-timestamp ",
	 .long_values = " --user --group --host --prompt --chdir --chroot --role --type "
			"--other-user --close-from --command-timeout "},
	{.name = "doas", .kind = WRAPPER, .flags = "Lns", .values = "aCu"},
	{.name = "env",
	 .kind = WRAPPER,
	 .shell = true,
	 .flags = "i0v",
	 .values = "uC",
	 .code = "S",
	 .long_flags = " --ignore-environment --null --debug ",
	 .long_values = " --unset --chdir ",
	 .long_code = " --split-string "},
	{.name = "timeout",
	 .kind = WRAPPER,
	 .own = 1,
	 .flags = "v",
	 .values = "ks",
	 .long_flags = " --foreground --preserve-status --verbose ",
	 .long_values = " --signal --kill-after "},
	{.name = "nice",
	 .kind = WRAPPER,
	 .flags = DIGITS,
	 .values = "n",
	 .long_values = " --adjustment "},
	{.name = "ionice",
	 .kind = WRAPPER,
	 .flags = "t",
	 .values = "cn",
	 .long_flags = " --ignore ",
	 .long_values = " --class --classdata "},
	{.name = "nohup", .kind = WRAPPER},
	{.name = "setsid", .kind = WRAPPER, .flags = "cfw", .long_flags = " --ctty --fork --wait "},
	{.name = "stdbuf",
	 .kind = WRAPPER,
	 .values = "ioe",
	 .long_values = " --input --output --error "},
	{.name = "taskset",
	 .kind = WRAPPER,
	 .own = 1,
	 .flags = "ac",
	 .long_flags = " --all-tasks --cpu-list "},
	{.name = "chrt", .kind = WRAPPER, .own = 1, .flags = "abdfimorRv", .values = "TPD"},
	{.name = "numactl", .kind = WRAPPER, .flags = "al", .values = "iNCmp"},
	{.name = "time", .kind = WRAPPER, .flags = "apqv", .values = "fo"},
	{.name = "gosu", .kind = WRAPPER, .own = 1},
	{.name = "su-exec", .kind = WRAPPER, .own = 1},
	{.name = "setpriv", .kind = WRAPPER},
	{.name = "tini*", .kind = WRAPPER, .flags = "gsvw", .values = "pe"},
	{.name = "docker-init", .kind = WRAPPER, .flags = "gsvw", .values = "pe"},
	{.name = "dumb-init", .kind = WRAPPER, .flags = "cv", .values = "r"},
	{.name = "catatonit", .kind = WRAPPER, .flags = "gP"},
	{.name = "strace",
	 .kind = WRAPPER,
	 .flags = "cCdDfFhiknqrtTvVwxyYzZ",
	 .values = "abeEIopPsSuUX"},
	{.name = "valgrind", .kind = WRAPPER},
	{.name = "ddtrace-run", .kind = WRAPPER},
	{.name = "opentelemetry-instrument", .kind = WRAPPER},
	{.name = "newrelic-admin", .kind = WRAPPER, .own = 1},
	{.name = "bundle*", .kind = WRAPPER, .own = 1},
	{.name = "poetry", .kind = WRAPPER, .own = 1},
	{.name = "pipenv", .kind = WRAPPER, .own = 1},
	{.name = "pdm", .kind = WRAPPER, .own = 1},
	{.name = "uv", .kind = WRAPPER, .own = 1},
	/* words of a shell, which run what follows them */
	{.name = "exec", .kind = WRAPPER, .flags = "cl", .values = "a"},
	{.name = "command", .kind = WRAPPER, .flags = "p"},
	{.name = "if", .kind = WRAPPER},
	{.name = "then", .kind = WRAPPER},
	{.name = "else", .kind = WRAPPER},
	{.name = "elif", .kind = WRAPPER},
	{.name = "while", .kind = WRAPPER},
	{.name = "until", .kind = WRAPPER},
	{.name = "do", .kind = WRAPPER},

	{.name = "sh", SHELL},
	{.name = "ash", SHELL},
	{.name = "bash", SHELL},
	{.name = "dash", SHELL},
	{.name = "ksh*", SHELL},
	{.name = "zsh", SHELL},
	{.name = "su", SU},
	{.name = "runuser", SU},

	{.name = "python*",
	 .kind = INTERPRETER,
	 .flags = "bBdEhiIOPqRsSuvVx?3",
	 .values = "WXQ",
	 .script = "m",
	 .code = "c",
	 .long_values = " --check-hash-based-pycs "},
	{.name = "pypy*",
	 .kind = INTERPRETER,
	 .flags = "bBdEhiIOPqRsSuvVx?3",
	 .values = "WXQ",
	 .script = "m",
	 .code = "c"},
	{.name = "node", NODE},
	{.name = "nodejs", NODE},
	{.name = "ts-node*", NODE},
	{.name = "tsx", NODE},
	{.name = "bun", NODE},
	{.name = "deno", NODE},
	{.name = "php-fpm*", .kind = RUNNER},
	{.name = "php*",
	 .kind = INTERPRETER,
	 .flags = "aChHilmnqsvw",
	 .values = "cdtSz",
	 .script = "f",
	 .code = "rBREF"},
	{.name = "perl*",
	 .kind = INTERPRETER,
	 .flags = "acfnpsStTuUvWXw",
	 .values = "I",
	 .stuck = "CDFiMmVx0l",
	 .code = "eE"},
	{.name = "ruby*",
	 .kind = INTERPRETER,
	 .flags = "acdhlnpsSvwy",
	 .values = "rICE",
	 .stuck = "FiKTWx0",
	 .code = "e"},
	{.name = "lua*", .kind = INTERPRETER, .flags = "iEWv", .values = "l", .code = "e"},
	{.name = "Rscript", .kind = INTERPRETER, .code = "e"},
	{.name = "dotnet", .kind = INTERPRETER},
	{.name = "mono", .kind = INTERPRETER},
	{.name = "java",
	 .kind = PROGRAM_JAVA,
	 .script = "m",
	 .values = "p",
	 .long_script = " -jar --module ",
	 .long_values = " -cp -classpath --class-path --module-path --add-modules --add-opens "
			"--add-exports --add-reads --upgrade-module-path --limit-modules "
			"--patch-module --source "},

	{.name = "gunicorn*", MODULE, .values = "bcegkmnptuw"},
	{.name = "uvicorn", MODULE},
	{.name = "hypercorn", MODULE, .values = "bcgkmpuw"},
	{.name = "daphne", MODULE, .values = "beptuv"},
	{.name = "granian", MODULE},
	{.name = "waitress-serve", MODULE},
	{.name = "dramatiq*", MODULE},
	{.name = "celery", MODULE, .script = "A", .values = "b"},
	{.name = "flask", MODULE, .script = "A"},
	{.name = "uwsgi*", MODULE, .script = "w"},
};

static bool is_name(const char *pattern, const char *name, size_t len)
{
	size_t n = strlen(pattern);

	if (pattern[n - 1] != '*')
		return n == len && !memcmp(pattern, name, len);
	return len >= n - 1 && !memcmp(pattern, name, n - 1);
}

const struct program *program_find(const char *path, size_t len)
{
	const char *slash = memrchr(path, '/', len);
	const char *name = slash ? slash + 1 : path;

	len -= (size_t)(name - path);
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (is_name(programs[i].name, name, len))
			return &programs[i];
	return NULL;
}

static bool has_letter(const char *letters, char letter)
{
	return letters && letter && strchr(letters, letter);
}

enum program_option program_letter(const struct program *p, char letter)
{
	if (!p)
		return PROGRAM_UNKNOWN;
	if (has_letter(p->flags, letter))
		return PROGRAM_FLAG;
	if (has_letter(p->values, letter))
		return PROGRAM_VALUE;
	if (has_letter(p->stuck, letter))
		return PROGRAM_STUCK;
	if (has_letter(p->script, letter))
		return PROGRAM_SCRIPT;
	return has_letter(p->code, letter) ? PROGRAM_CODE : PROGRAM_UNKNOWN;
}

/* Is this one of the words, each between two spaces? */
static bool has_word(const char *words, const char *word, size_t len)
{
	for (const char *at = words; len && at && (at = memmem(at, strlen(at), word, len)); at++)
		if (at > words && at[-1] == ' ' && at[len] == ' ')
			return true;
	return false;
}

enum program_option program_long(const struct program *p, const char *option, size_t len)
{
	if (!p)
		return PROGRAM_UNKNOWN;
	if (has_word(p->long_flags, option, len))
		return PROGRAM_FLAG;
	if (has_word(p->long_values, option, len))
		return PROGRAM_VALUE;
	if (has_word(p->long_script, option, len))
		return PROGRAM_SCRIPT;
	return has_word(p->long_code, option, len) ? PROGRAM_CODE : PROGRAM_UNKNOWN;
}

bool program_command(const char *word, size_t len)
{
	static const char commands[] =
		" active agent api app beat cache child cluster console daemon exec flower "
		"foreground "
		"horizon idle in main manager master migrate octane:start pool process "
		"queue:listen "
		"queue:work run runserver schedule:run schedule:work scheduler serve server shell "
		"start supervisor transaction web worker workers ";

	return has_word(commands, word, len);
}

bool program_dash_name(const char *name, size_t len)
{
	static const char names[] =
		" addr address bind conf config database db debug dsn env file host http level "
		"listen log name password path port queue server timeout token uri url user "
		"username verbose workers ";

	return has_word(names, name, len);
}
