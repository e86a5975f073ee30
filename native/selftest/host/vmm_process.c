// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "vmm_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reference.h"
#include "tap.h"

#define LOG_LINES_SHOWN 20

const char *const backing_names[BACKINGS] = { "private", "private-thp", "shared", "hugepages" };

bool is_shared(enum backing backing)
{
	return backing == BACKING_SHARED || backing == BACKING_HUGEPAGES;
}

static void fail(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool is_there(char *path, size_t size, const char *out, const char *name)
{
	snprintf(path, size, "%s/%s", out, name);
	if (!access(path, R_OK))
		return true;
	fprintf(stderr, "%s is missing: build first, and name its directory in MEMCTL_OUT\n", path);
	return false;
}

bool vmm_find(struct vmm_paths *paths)
{
	const char *out = getenv("MEMCTL_OUT");

	if (!out)
		out = "out";
	/* A VMM that is gone is told apart by its output, not by a signal to us. */
	signal(SIGPIPE, SIG_IGN);
	return is_there(paths->vmm, sizeof(paths->vmm), out, "memctl-vmm") &&
	       is_there(paths->plugin, sizeof(paths->plugin), out, "libmemctl.so") &&
	       is_there(paths->image, sizeof(paths->image), out, "selftest.elf");
}

static void run_vmm(const struct vmm_run *run)
{
	static const char *const memory_options[BACKINGS] = { "mergeable=on,thp=off", "mergeable=on,thp=on", "shared=on",
							       "shared=on,hugepages=on" };
	char cpus[32], memory[64], plugin[600], command_line[256], trace[64], api[128];
	unsigned int unit = run->backing == BACKING_HUGEPAGES ? HUGE_PAGE_MIB << 20 : 4096;
	const char *arguments[40];
	unsigned int count = 0;

	snprintf(cpus, sizeof(cpus), "boot=%u", run->cpus);
	snprintf(memory, sizeof(memory), "size=%uM,%s", run->ram_mib ? run->ram_mib : GUEST_RAM_MIB,
		 memory_options[run->backing]);
	snprintf(plugin, sizeof(plugin), "plugin=%s%s", run->paths->plugin, run->device_options ? run->device_options : "");
	snprintf(command_line, sizeof(command_line), "cpus=%u ram=%s unit=%u name_errno=%d mode=%s", run->cpus,
		 is_shared(run->backing) ? "shared" : "private", unit, reference_name_errno(run->backing), run->mode);
	if (run->trace) {
		static const char *const strace[] = { "strace", "-f", "-qq", "-e", "signal=none", "-o" };

		for (; count < sizeof(strace) / sizeof(strace[0]); count++)
			arguments[count] = strace[count];
		/* Of the checker, which outlives strace: its own descriptors close when it starts. */
		snprintf(trace, sizeof(trace), "/proc/%d/fd/%d", getppid(), run->trace);
		arguments[count++] = trace;
	}
	{
		const char *const rest[] = { run->paths->vmm, "--kernel",     run->paths->image, "--cmdline", command_line,
					     "--cpus",	      cpus,	      "--memory",	 memory,      "--serial",
					     "tty",	      "--console",    "off",		 "--seccomp", "true",
					     "--memctl",      plugin,	      NULL };

		memcpy(&arguments[count], rest, sizeof(rest));
		count += sizeof(rest) / sizeof(rest[0]) - 1;
	}
	if (run->api_socket) {
		snprintf(api, sizeof(api), "path=%s", run->api_socket);
		arguments[count++] = "--api-socket";
		arguments[count++] = api;
		arguments[count] = NULL;
	}
	execvp(arguments[0], (char *const *)arguments);
	fail(arguments[0]);
}

void vmm_start(struct vmm *vmm, const struct vmm_run *run)
{
	int input[2], output[2];

	vmm->filled = 0;
	vmm->taken = 0;
	vmm->log = memfd_create("vmm-log", MFD_CLOEXEC);
	if (vmm->log < 0 || pipe2(input, O_CLOEXEC) || pipe2(output, O_CLOEXEC))
		fail("pipes to the VMM");
	vmm->pid = fork();
	if (vmm->pid < 0)
		fail("fork");
	if (!vmm->pid) {
		setpgid(0, 0);
		signal(SIGPIPE, SIG_DFL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(input[0], STDIN_FILENO);
		dup2(output[1], STDOUT_FILENO);
		dup2(vmm->log, STDERR_FILENO);
		run_vmm(run);
	}
	close(input[0]);
	close(output[1]);
	vmm->input = input[1];
	vmm->output = output[0];
}

static bool read_more(struct vmm *vmm)
{
	struct pollfd waiting = { .fd = vmm->output, .events = POLLIN };
	ssize_t length;

	if (poll(&waiting, 1, LINE_TIMEOUT_SECONDS * 1000) <= 0) {
		tap_note("no output of the guest for %d seconds", LINE_TIMEOUT_SECONDS);
		return false;
	}
	length = read(vmm->output, vmm->buffer, sizeof(vmm->buffer));
	vmm->taken = 0;
	vmm->filled = length > 0 ? (size_t)length : 0;
	return length > 0;
}

bool vmm_line(struct vmm *vmm, char *line, size_t size)
{
	size_t length = 0;

	for (;;) {
		char character;

		if (vmm->taken == vmm->filled && !read_more(vmm))
			return false;
		character = vmm->buffer[vmm->taken++];
		if (character == '\n')
			break;
		if (character != '\r' && length + 1 < size)
			line[length++] = character;
	}
	line[length] = 0;
	return true;
}

bool vmm_line_after(struct vmm *vmm, const char *word, char *line, size_t size, void (*seen)(const char *line))
{
	while (vmm_line(vmm, line, size)) {
		if (!strncmp(line, word, strlen(word)))
			return true;
		if (seen)
			seen(line);
	}
	return false;
}

void vmm_go(struct vmm *vmm)
{
	/* A VMM that is gone shows in the next line that does not come. */
	if (write(vmm->input, "\n", 1) != 1)
		tap_note("the VMM takes no serial input: %s", strerror(errno));
}

static bool wait_for_end(struct vmm *vmm)
{
	int process = (int)syscall(SYS_pidfd_open, vmm->pid, 0);
	struct pollfd waiting = { .fd = process, .events = POLLIN };
	bool ended = process >= 0 && poll(&waiting, 1, LINE_TIMEOUT_SECONDS * 1000) > 0;

	if (process >= 0)
		close(process);
	return ended;
}

void vmm_abandon(struct vmm *vmm)
{
	kill(-vmm->pid, SIGKILL);
}

/* The end of the VMM's standard error, as notes. */
static void show_log(const struct vmm *vmm)
{
	char lines[LOG_LINES_SHOWN][256];
	unsigned int count = 0;
	FILE *log = fdopen(dup(vmm->log), "r");

	if (!log)
		return;
	rewind(log);
	while (fgets(lines[count % LOG_LINES_SHOWN], sizeof(lines[0]), log))
		count++;
	fclose(log);
	for (unsigned int i = count > LOG_LINES_SHOWN ? count - LOG_LINES_SHOWN : 0; i < count; i++) {
		char *line = lines[i % LOG_LINES_SHOWN];

		line[strcspn(line, "\n")] = 0;
		tap_note("vmm: %s", line);
	}
}

bool vmm_finish(struct vmm *vmm)
{
	int status;

	if (!wait_for_end(vmm)) {
		tap_note("the VMM does not end and is killed");
		vmm_abandon(vmm);
	}
	if (waitpid(vmm->pid, &status, 0) != vmm->pid)
		fail("waitpid");
	close(vmm->input);
	close(vmm->output);
	if (WIFSIGNALED(status))
		tap_note("the VMM ended by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		tap_note("the VMM ended with status %d", WEXITSTATUS(status));
	if (status)
		show_log(vmm);
	close(vmm->log);
	return !status;
}

bool line_number(const char *line, const char *key, int base, unsigned long long *number)
{
	char wanted[40];
	const char *found;
	char *end;

	snprintf(wanted, sizeof(wanted), " %s=", key);
	found = strstr(line, wanted);
	if (!found)
		return false;
	found += strlen(wanted);
	*number = strtoull(found, &end, base);
	return end != found;
}
