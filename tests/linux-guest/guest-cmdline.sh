#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# guest-cmdline.sh TESTS: the kernel command line of the test guest. No XSAVE,
# which emulated processors lack in part; no timer check and no mitigations,
# which take long where the processor is emulated.
echo "console=ttyS0 loglevel=3 noxsave no_timer_check mitigations=off panic=-1 guest_tests=$1"
