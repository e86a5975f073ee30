// SPDX-License-Identifier: GPL-2.0
/* guest-test NAME [NUMBER|TEXT]: one of the in-guest tests, see test.h. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

static int done(void)
{
	meet_host();
	ask_host("done");
	return 0;
}

static int run(int argc, char **argv, const char *name)
{
	unsigned long number = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;

	if (!strcmp(name, "codes"))
		return test_codes();
	if (!strcmp(name, "errors"))
		return test_errors();
	if (!strcmp(name, "huge-page"))
		return test_huge_page();
	if (!strcmp(name, "khugepaged"))
		return test_khugepaged();
	if (!strcmp(name, "gigantic"))
		return test_gigantic();
	if (!strcmp(name, "access"))
		return test_access();
	if (!strcmp(name, "tool"))
		return test_tool();
	if (!strcmp(name, "top"))
		return test_top();
	if (!strcmp(name, "examples"))
		return test_examples();
	if (!strcmp(name, "steps"))
		return test_steps();
	if (!strcmp(name, "stress"))
		return test_stress(number);
	if (!strcmp(name, "fuzz"))
		return test_fuzz(number);
	if (!strcmp(name, "report"))
		return test_report(number, false);
	if (!strcmp(name, "exits"))
		return test_report(number, true);
	if (!strcmp(name, "stay"))
		return test_stay();
	if (!strcmp(name, "moved"))
		return test_moved(number);
	if (!strcmp(name, "silence"))
		return test_silence();
	if (!strcmp(name, "hibernate"))
		return test_hibernate();
	if (!strcmp(name, "crash") && argc > 2)
		return test_crash(argv[2]);
	if (!strcmp(name, "vmcore"))
		return test_vmcore();
	if (!strcmp(name, "kexec") && argc > 2)
		return test_kexec(argv[2]);
	if (!strcmp(name, "disconnected") && argc > 2)
		return test_disconnected(argv[2]);
	tap_bail_out("no test called '%s'", name);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	int status;

	if (!strcmp(name, "done"))
		return done();
	status = run(argc, argv, name);
	tap_finish();
	return status;
}
