#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# guest-cmdline.sh TESTS: the kernel command line of the test guest. No XSAVE,
# which emulated processors lack in part; no timer check and no mitigations,
# which take long where the processor is emulated. The page of test gigantic is
# taken at boot, when a whole GiB is free; so is the memory of a crash kernel.
own=
case ,$1, in
*,gigantic,*) own="nokaslr default_hugepagesz=1G hugepagesz=1G hugepages=1 " ;;
*,crash,*) own="crashkernel=176M " ;;
esac
echo "console=ttyS0 loglevel=3 noxsave no_timer_check mitigations=off panic=-1 ${own}guest_tests=$1"
