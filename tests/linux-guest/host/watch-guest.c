// SPDX-License-Identifier: GPL-2.0
/*
 * watch-guest -l LABEL [-t SECONDS] [-a SOCKET] [-m MEMCTL-TOP -p FILE] -- VMM ARGUMENTS...
 *
 * Runs a VMM whose guest has its console on the VMM's standard input and
 * output, and stands beside it as the host: a line "@host QUERY" from the
 * guest is answered with one line "@ANSWER" on its console, taken from what
 * the host kernel shows of the VMM (see probe.h). TAP lines of the guest go
 * to standard output with LABEL in front of their description, and a plan after
 * the last; everything else that it says goes to standard error.
 *
 *   @host locate GPA START END SIGNATURE    @1
 *   @host pages GPA LENGTH UNIT             @100*p 1*. 411*p
 *   @host attributes GPA LENGTH UNIT        @512*rw-p
 *   @host name GPA                          @-
 *   @host usage                             @resident=KIB allocated=KIB
 *   @host backing | features                see probe.h
 *   @host exits                             @mmio=12 all=345 interrupts=6 (see kvm.h)
 *   @host counter DEVICE NAME               @12, from the VMM's API at SOCKET (see api.h)
 *   @host khugepaged MAX_PTES_NONE          @done, it has looked at all memory (see khugepaged.h)
 *   @host top GPA LENGTH LETTERS NAMES      @512*G; -, as MEMCTL-TOP shows it, kept in FILE.* (see top.h)
 *   @host done                              @bye, the guest is about to stop
 *
 * Numbers are hexadecimal. An answer that the host can't give is "@error".
 * Exits 0 if every line was "ok", the guest got to "done" and the VMM then
 * exited with 0 by itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "api.h"
#include "khugepaged.h"
#include "kvm.h"
#include "probe.h"
#include "top.h"
#include "vmm.h"

struct session {
	const char *label, *api_socket;
	struct vmm vmm;
	struct top top;
	struct guest_ram ram;
	bool done;
	int results, failures;
	int since_plan;	/* numbered results of the program that runs in the guest */
};

static bool parse_signature(const char *hex, uint8_t signature[SIGNATURE_BYTES])
{
	int i;

	for (i = 0; i < SIGNATURE_BYTES; i++)
		if (sscanf(hex + 2 * i, "%2hhx", &signature[i]) != 1)
			return false;
	return true;
}

static int answer_query(struct session *s, const char *query, char *out, size_t size)
{
	char what[16] = "", hex[2 * SIGNATURE_BYTES + 1] = "", device[16], counter[40], letters[16], names[64];
	uint8_t signature[SIGNATURE_BYTES];
	uint64_t gpa = 0, start, end, length = 0, unit = 0;

	if (sscanf(query, "locate %lx %lx %lx %64s", &gpa, &start, &end, hex) == 4) {
		if (!parse_signature(hex, signature))
			return -1;
		snprintf(out, size, "%d",
			 probe_locate(&s->ram, s->vmm.pid, gpa, start, end, signature));
		return 0;
	}
	if (sscanf(query, "counter %15s %39s", device, counter) == 2)
		return api_counter(s->api_socket, device, counter, out, size);
	if (sscanf(query, "top %lx %lx %15s %63s", &gpa, &length, letters, names) == 4)
		return top_shows(&s->top, gpa, length, letters, names, out, size);
	sscanf(query, "%15s %lx %lx %lx", what, &gpa, &length, &unit);
	if (!strcmp(what, "features"))
		return probe_features(out, size);
	if (!strcmp(what, "exits"))
		return kvm_counts(s->vmm.pid, out, size);
	if (!strcmp(what, "khugepaged"))
		return khugepaged_scan(gpa, out, size);
	if (!strcmp(what, "done")) {
		s->done = true;
		snprintf(out, size, "bye");
		return 0;
	}
	if (!s->ram.end)
		return -1;
	if (!strcmp(what, "usage"))
		return probe_usage(&s->ram, out, size);
	if (!strcmp(what, "backing"))
		return probe_backing(&s->ram, out, size);
	if (!strcmp(what, "name"))
		return probe_name(&s->ram, gpa, out, size);
	if (!unit || !length || length % unit)
		return -1;
	if (!strcmp(what, "pages"))
		return probe_pages(&s->ram, gpa, length, unit, out, size);
	if (!strcmp(what, "attributes"))
		return probe_attributes(&s->ram, gpa, length, unit, out, size);
	return -1;
}

static void report(struct session *s, bool ok, const char *description)
{
	printf("%s - %s: %s\n", ok ? "ok" : "not ok", s->label, description);
	fflush(stdout);
	s->results++;
	s->failures += !ok;
}

/*
 * "ok - what" as the guest's init prints it, "ok 7 - what" as its programs do,
 * and the same after "not ".
 */
static bool relay_result(struct session *s, const char *line)
{
	bool ok = strncmp(line, "not ", 4);
	int description = 0, number;

	line += ok ? 0 : 4;
	sscanf(line, "ok - %n", &description);
	if (!description && sscanf(line, "ok %d - %n", &number, &description) == 1 && description &&
	    number != ++s->since_plan) {
		report(s, false, "a program's results are numbered without a gap, and end in a plan");
		s->since_plan = number;
	}
	if (description)
		report(s, ok, line + description);
	return description;
}

/* "1..7", behind the last result of each program. */
static bool check_plan(struct session *s, const char *line)
{
	int plan;

	if (sscanf(line, "1..%d", &plan) != 1)
		return false;
	if (plan != s->since_plan)
		report(s, false, "a program ran every test of its plan");
	s->since_plan = 0;
	return true;
}

static void handle_line(struct session *s, char *line)
{
	char answer[512] = "@";

	line[strcspn(line, "\r\n")] = '\0';
	if (!strncmp(line, "@host ", 6)) {
		if (answer_query(s, line + 6, answer + 1, sizeof(answer) - 2))
			strcpy(answer, "@error");
		fprintf(stderr, "%s -> %s\n", line, answer);
		strcat(answer, "\n");
		if (write(s->vmm.to_guest, answer, strlen(answer)) < 0)
			fprintf(stderr, "no way to the guest: %s\n", strerror(errno));
	} else if (relay_result(s, line) || check_plan(s, line)) {
		return;
	} else if (!strncmp(line, "Bail out!", 9)) {
		report(s, false, line);
		s->since_plan = 0;
	} else if (line[0] == '#') {
		printf("# %s: %s\n", s->label, line + 1 + (line[1] == ' '));
		fflush(stdout);
	} else {
		fprintf(stderr, "%s\n", line);
	}
}

/* Relays lines until the VMM closes its output. False if time ran out. */
static bool relay(struct session *s, time_t deadline)
{
	struct pollfd source = { .fd = s->vmm.from_guest, .events = POLLIN };
	static char text[8192];
	size_t used = 0;

	for (;;) {
		time_t left = deadline - time(NULL);
		char *end;
		ssize_t count;

		if (left <= 0)
			return false;
		if (poll(&source, 1, left * 1000) <= 0)
			continue;
		count = read(s->vmm.from_guest, text + used, sizeof(text) - 1 - used);
		if (count <= 0)
			return true;
		used += count;
		text[used] = '\0';
		while ((end = strchr(text, '\n')) || used == sizeof(text) - 1) {
			size_t length = end ? (size_t)(end - text) + 1 : used;
			char line[sizeof(text)];

			memcpy(line, text, length);
			line[length] = '\0';
			memmove(text, text + length, used - length + 1);
			used -= length;
			handle_line(s, line);
		}
	}
}

int main(int argc, char **argv)
{
	struct session s = { .label = "guest" };
	int option, status, seconds = 120;
	char how[96];

	while ((option = getopt(argc, argv, "l:t:a:m:p:")) != -1) {
		if (option == 'l')
			s.label = optarg;
		else if (option == 't')
			seconds = atoi(optarg);
		else if (option == 'a')
			s.api_socket = s.top.api_socket = optarg;
		else if (option == 'm')
			s.top.program = optarg;
		else if (option == 'p')
			s.top.file = optarg;
		else
			return 2;
	}
	if (optind >= argc)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	vmm_start(&s.vmm, argv + optind);
	if (!relay(&s, time(NULL) + seconds)) {
		kill(s.vmm.pid, SIGKILL);
		snprintf(how, sizeof(how), "guest ran to its end within %d s", seconds);
		report(&s, false, how);
	}
	waitpid(s.vmm.pid, &status, 0);
	report(&s, s.done && !s.since_plan, "guest ran every test");
	if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "VMM exited by itself (it died of signal %d)",
			 WTERMSIG(status));
	else
		snprintf(how, sizeof(how), "VMM exited with status %d", WEXITSTATUS(status));
	report(&s, WIFEXITED(status) && !WEXITSTATUS(status), how);
	printf("1..%d\n", s.results);
	return s.failures != 0;
}
