// SPDX-License-Identifier: GPL-2.0
/* Test programs of the guest side that stop where the host can be looked at (--step). */
#define _GNU_SOURCE
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PURGE_MIB 64
/* What guest and VMM touch meanwhile. */
#define NOISE_KIB (2L << 10)

struct program {
	pid_t pid;
	FILE *from, *to;
	char line[256];
};

static struct program start(const char *const words[])
{
	struct program program;
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		tap_bail_out("no pipes");
	program.pid = fork();
	if (!program.pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execv(words[0], (char *const *)words);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	program.to = fdopen(in[1], "w");
	program.from = fdopen(out[0], "r");
	return program;
}

/* The next line that is no result of the program's own. False at its end. */
static bool next_step(struct program *program)
{
	do {
		if (!fgets(program->line, sizeof(program->line), program->from))
			return false;
		program->line[strcspn(program->line, "\n")] = '\0';
	} while (!strncmp(program->line, "ok", 2) || !strncmp(program->line, "not ok", 6) ||
		 program->line[0] == '#' || program->line[0] == '1');
	return true;
}

static void go_on(struct program *program)
{
	fputs("\n", program->to);
	fflush(program->to);
}

static void end(struct program *program, const char *name, int steps, int expected)
{
	int status;

	fclose(program->to);
	fclose(program->from);
	waitpid(program->pid, &status, 0);
	tap_check(WIFEXITED(status) && !WEXITSTATUS(status) && steps == expected,
		  "%s passes, %d steps of it looked at", name, steps);
}

/* What the host must show of a page at a step; D, which nothing reverts, is not looked at unless wanted. */
struct sight {
	const char *step, *protection;
	bool locked, nodump;
};

static void check_page(const struct sight *sight, uint64_t gpa)
{
	static struct view view;
	const char *shown = view.attributes[0];

	host_view(&view, gpa, PAGE);
	tap_check(!strncmp(shown, sight->protection, 3) && !strchr(shown, 'L') == !sight->locked &&
		  (!sight->nodump || strchr(shown, 'D')), "the host shows the page that is %s as %s",
		  sight->step, shown);
}

static void look_at_pages(const char *path, const struct sight *sights, int count)
{
	struct program program = start((const char *const[]){ path, "--step", NULL });
	int steps = 0, i;

	while (next_step(&program)) {
		char step[32];
		uint64_t gpa;

		if (sscanf(program.line, "step %31s addr=%lx", step, &gpa) != 2)
			continue;
		for (i = 0; i < count; i++) {
			if (!strcmp(sights[i].step, step)) {
				check_page(&sights[i], gpa);
				steps++;
			}
		}
		go_on(&program);
	}
	/* A key has two guards. */
	end(&program, path, steps, count + !strcmp(sights[0].step, "key"));
}

/* Memory that an allocator purges or unmaps is the host's when the call returns. */
static void look_at_memory(void)
{
	const char *const words[] = { "/bin/memctl-purge", "--mib", "64", "--step", NULL };
	const long size = PURGE_MIB << 10;
	struct program program = start(words);
	struct usage full = { 0, 0 }, now;
	int steps = 0;

	while (next_step(&program)) {
		now = host_usage();
		if (!strcmp(program.line, "filled") || !strcmp(program.line, "refilled"))
			full = now;
		else
			tap_check(full.allocated - now.allocated >= size - NOISE_KIB &&
				  full.resident - now.resident >= size - NOISE_KIB,
				  "%s: the host has %ld KiB more at once, %ld fewer are resident", program.line,
				  full.allocated - now.allocated, full.resident - now.resident);
		steps++;
		go_on(&program);
	}
	end(&program, "memctl-purge", steps, 4);
}

int test_steps(void)
{
	static const struct sight key[] = {
		{ "key", "rw-", true, true }, { "guard", "---", false, false }, { "freed", "rw-", false, false },
	};
	static const struct sight held[] = {
		{ "locked", "rw-", true, false }, { "unlocked", "rw-", false, false },
		{ "protected", "r--", false, false }, { "inaccessible", "---", false, false },
		{ "reverted", "rw-", false, false },
	};

	meet_host();
	look_at_pages("/bin/memctl-key", key, sizeof(key) / sizeof(key[0]));
	look_at_pages("/bin/memctl-hold", held, sizeof(held) / sizeof(held[0]));
	look_at_memory();
	return 0;
}
