// SPDX-License-Identifier: GPL-2.0
/* The command line: one function, its ranges, and how to go about it. */
#include <ctype.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "memctl_tool.h"

#define DEFAULT_CHUNK	(64ULL << 20)

/* Whether a command is followed by a word of its own, and which. */
enum operand { OPERAND_NONE, OPERAND_PROTECTION, OPERAND_NUMBER };

static const struct command {
	const char *name;
	uint64_t func_code;
	enum operand operand;
} commands[] = {
	{ "info", MEMCTL_INFO, OPERAND_NONE },
	{ "free", MEMCTL_DONTNEED, OPERAND_NONE },
	{ "remove", MEMCTL_REMOVE, OPERAND_NONE },
	{ "lazyfree", MEMCTL_FREE, OPERAND_NONE },
	{ "pageout", MEMCTL_PAGEOUT, OPERAND_NONE },
	{ "unmergeable", MEMCTL_UNMERGEABLE, OPERAND_NONE },
	{ "nodump", MEMCTL_DONTDUMP, OPERAND_NONE },
	{ "lock", MEMCTL_MLOCK, OPERAND_NONE },
	{ "unlock", MEMCTL_MUNLOCK, OPERAND_NONE },
	{ "protect", MEMCTL_MPROTECT_NONE, OPERAND_PROTECTION },
	{ "name", MEMCTL_SET_VMA_ANON_NAME, OPERAND_NUMBER },
};

static const struct protection {
	const char *name;
	uint64_t func_code;
} protections[] = {
	{ "none", MEMCTL_MPROTECT_NONE },
	{ "r", MEMCTL_MPROTECT_R },
	{ "w", MEMCTL_MPROTECT_W },
	{ "rw", MEMCTL_MPROTECT_RW },
};

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

void print_usage(void)
{
	fputs("usage: memctl info [--json]\n"
	      "       memctl free|remove|lazyfree|pageout|unmergeable|nodump|lock|unlock OPTIONS\n"
	      "       memctl protect none|r|w|rw OPTIONS\n"
	      "       memctl name NUMBER OPTIONS\n"
	      "       memctl lock|protect none,r,w|name --pid PID OPTIONS [-- COMMAND...]\n"
	      "options:\n"
	      "  -r, --range START-END or START+LENGTH   what to act on; may be repeated\n"
	      "  -p, --pid PID      ranges are addresses of this process, not guest-physical;\n"
	      "                     lock, protect and name then last until COMMAND ends, or\n"
	      "                     without one until the process ends or memctl is interrupted\n"
	      "  -c, --chunk SIZE   maximum of bytes in one request (default 64M)\n"
	      "  -j, --json         print one JSON object\n"
	      "  -P, --progress     show progress even if standard error is no terminal\n"
	      "  -q, --quiet        show no progress\n"
	      "Numbers are decimal or 0x...; K, M and G multiply by 2^10, 2^20, 2^30.\n", stderr);
}

/* Reads a number with an optional multiplier; *text is left behind it. */
static bool parse_number(const char **text, uint64_t *value)
{
	static const char multipliers[] = "KMG";
	const char *multiplier;
	unsigned int shift;
	char *end;

	/* strtoull() would take blanks and a sign. */
	if (!isdigit((unsigned char)**text))
		return false;
	errno = 0;
	*value = strtoull(*text, &end, 0);
	if (errno)
		return false;

	multiplier = *end ? strchr(multipliers, toupper((unsigned char)*end)) : NULL;
	if (multiplier) {
		shift = 10 * (unsigned int)(multiplier - multipliers + 1);
		if (*value > UINT64_MAX >> shift)
			return false;
		*value <<= shift;
		end++;
	}
	*text = end;
	return true;
}

static bool parse_whole_number(const char *text, uint64_t *value)
{
	return parse_number(&text, value) && !*text;
}

static bool parse_range(const char *text, struct range *range)
{
	uint64_t second;
	char separator;

	if (!parse_number(&text, &range->start))
		return false;
	separator = *text;
	if (separator != '-' && separator != '+')
		return false;
	text++;
	if (!parse_whole_number(text, &second))
		return false;
	if (separator == '-') {
		range->end = second;
		return range->end >= range->start;
	}
	return !__builtin_add_overflow(range->start, second, &range->end);
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COUNT(commands); i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

static bool parse_protection(const char *name, uint64_t *func_code)
{
	for (size_t i = 0; i < COUNT(protections); i++) {
		if (!strcmp(protections[i].name, name)) {
			*func_code = protections[i].func_code;
			return true;
		}
	}
	return false;
}

static bool complain(const char *message, const char *word)
{
	fprintf(stderr, "memctl: %s%s%s\n", message, word ? ": " : "", word ? word : "");
	return false;
}

static bool parse_option(int option, struct job *job)
{
	uint64_t number;

	switch (option) {
	case 'r':
		if (job->range_count == MEMCTL_MAX_RANGES)
			return complain("too many ranges", NULL);
		if (!parse_range(optarg, &job->ranges[job->range_count]))
			return complain("not a range", optarg);
		job->range_count++;
		return true;
	case 'p':
		if (!parse_whole_number(optarg, &number) || !number || number > INT_MAX)
			return complain("not a process id", optarg);
		job->pid = (pid_t)number;
		return true;
	case 'c':
		if (!parse_whole_number(optarg, &job->chunk) ||
		    job->chunk < (uint64_t)sysconf(_SC_PAGESIZE))
			return complain("not a size of at least a page", optarg);
		return true;
	case 'j':
		job->json = true;
		return true;
	case 'P':
		job->progress = true;
		return true;
	case 'q':
		job->progress = false;
		return true;
	default:
		/* getopt_long() has said what it did not like. */
		return false;
	}
}

/* The words that are no options: the command, and its operand if it has one. */
static bool parse_words(int count, char **words, struct job *job)
{
	const struct command *command = count ? find_command(words[0]) : NULL;

	if (!command)
		return count ? complain("unknown command", words[0]) :
			       complain("no command", NULL);
	if (count != (command->operand == OPERAND_NONE ? 1 : 2))
		return complain("wrong number of words after the command", words[0]);

	job->command = command->name;
	job->func_code = command->func_code;
	switch (command->operand) {
	case OPERAND_PROTECTION:
		if (!parse_protection(words[1], &job->func_code))
			return complain("not one of none, r, w, rw", words[1]);
		break;
	case OPERAND_NUMBER:
		if (!parse_whole_number(words[1], &job->arg))
			return complain("not a number", words[1]);
		break;
	case OPERAND_NONE:
		break;
	}

	if (job->func_code != MEMCTL_INFO && !job->range_count)
		return complain("no --range to act on", NULL);
	if (job->func_code == MEMCTL_INFO && (job->range_count || job->pid))
		return complain("info takes no range", NULL);
	return true;
}

/* What of a process's memory can be asked for, and whether it lasts. */
static bool parse_process(struct job *job)
{
	switch (job->pid ? job->func_code : MEMCTL_INFO) {
	case MEMCTL_UNMERGEABLE:
	case MEMCTL_DONTDUMP:
		return complain("nothing reverts this, so it is for guest-physical ranges only",
				job->command);
	case MEMCTL_SET_VMA_ANON_NAME:
		if (job->arg) {
			job->lasts = true;
			break;
		}
		/* fallthrough */
	case MEMCTL_MUNLOCK:
	case MEMCTL_MPROTECT_RW:
		return complain("with --pid what memctl set ends with that memctl",
				job->command);
	case MEMCTL_MLOCK:
	case MEMCTL_MPROTECT_NONE:
	case MEMCTL_MPROTECT_R:
	case MEMCTL_MPROTECT_W:
		job->lasts = true;
		break;
	default:
		break;
	}

	if (job->words && !job->lasts)
		return complain("only what lasts runs a command", job->command);
	return !job->words || *job->words || complain("no command after --", NULL);
}

/**
 * parse_arguments() - read the command line
 * @job: receives what it asks for
 *
 * Return: false after having said what is wrong.
 */
bool parse_arguments(int argc, char **argv, struct job *job)
{
	static const struct option options[] = {
		{ "range", required_argument, NULL, 'r' },
		{ "pid", required_argument, NULL, 'p' },
		{ "chunk", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "progress", no_argument, NULL, 'P' },
		{ "quiet", no_argument, NULL, 'q' },
		{ NULL, 0, NULL, 0 },
	};
	int option, count = 0;

	/* Before getopt_long() sorts the words: those behind -- are the command's. */
	while (count < argc && strcmp(argv[count], "--"))
		count++;

	*job = (struct job){
		.words = count < argc ? argv + count + 1 : NULL,
		.chunk = DEFAULT_CHUNK,
		.progress = isatty(STDERR_FILENO),
	};

	while ((option = getopt_long(count, argv, "r:p:c:jPq", options, NULL)) != -1) {
		if (!parse_option(option, job))
			return false;
	}
	return parse_words(count - optind, argv + optind, job) && parse_process(job);
}
