/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the PVH entry (32-bit protected mode, paging off, %ebx = hvm_start_info) and from the start-up IPI
 * (real mode) to 64-bit C code with an identity mapping of the first 16 GiB.
 */
#define CPU_STACK_SIZE 16384
#define CPUS_MAX 64
#define GIB_MAPPED 16

#define CR0_PE 0x1
#define CR0_WP 0x10000
#define CR0_PG 0x80000000
#define CR0_CACHE_OFF 0x60000000	/* CD | NW, set by INIT */
#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100

#define PTE_PRESENT_WRITE 0x3
#define PTE_UNCACHED 0x18
#define PTE_2MIB 0x80
/* The 32-bit PCI hole and the local APIC: the fourth GiB. */
#define UNCACHED_FIRST_ENTRY (3 * 512)

#define SEL_CODE32 0x08
#define SEL_DATA 0x10
#define SEL_CODE64 0x18

	/* elfnote 18 of "Xen": the 32-bit entry. Eight bytes, as loaders of 64-bit images read. */
	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 8, 18
	.asciz "Xen"
	.quad pvh_entry

	.section .text.boot, "ax"
	.code32
	.globl pvh_entry
pvh_entry:
	cli
	cld
	movl %ebx, start_info_address

	movl $pml4, %edi
	movl $pdpt + PTE_PRESENT_WRITE, (%edi)
	movl $pdpt, %edi
	movl $page_directories + PTE_PRESENT_WRITE, %eax
	movl $GIB_MAPPED, %ecx
1:	movl %eax, (%edi)
	addl $8, %edi
	addl $4096, %eax
	loop 1b

	/* Entry i maps i * 2 MiB: low half i << 21, high half i >> 11. */
	movl $page_directories, %edi
	xorl %esi, %esi
2:	movl %esi, %eax
	shll $21, %eax
	orl $(PTE_PRESENT_WRITE | PTE_2MIB), %eax
	cmpl $UNCACHED_FIRST_ENTRY, %esi
	jb 3f
	cmpl $(UNCACHED_FIRST_ENTRY + 512), %esi
	jae 3f
	orl $PTE_UNCACHED, %eax
3:	movl %eax, (%edi)
	movl %esi, %eax
	shrl $11, %eax
	movl %eax, 4(%edi)
	addl $8, %edi
	incl %esi
	cmpl $(GIB_MAPPED * 512), %esi
	jb 2b

	jmp enter_long_mode

	/* An application processor, in 32-bit protected mode from the trampoline. */
ap_entry32:
	movl $SEL_DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss

enter_long_mode:
	movl $CR4_PAE, %eax
	movl %eax, %cr4
	movl $pml4, %eax
	movl %eax, %cr3
	movl $MSR_EFER, %ecx
	rdmsr
	orl $EFER_LME, %eax
	wrmsr
	movl %cr0, %eax
	andl $~CR0_CACHE_OFF, %eax
	orl $(CR0_PG | CR0_WP | CR0_PE), %eax
	movl %eax, %cr0
	lgdt gdt_pointer
	ljmp $SEL_CODE64, $long_mode

	.code64
long_mode:
	movl $SEL_DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	lidt idt_pointer

	/* Ticket 0 is the boot processor's, the others are drawn anew at each start. */
	movl $1, %edi
	lock xaddl %edi, cpu_ticket
	cmpl $CPUS_MAX, %edi
	jae park
	leal 1(%edi), %eax
	imull $CPU_STACK_SIZE, %eax
	leaq cpu_stacks(%rax), %rsp
	xorl %ebp, %ebp
	testl %edi, %edi
	jnz 1f
	movl start_info_address, %edi
	call main
	jmp park
1:	call application_processor

	.globl park
park:	cli
	hlt
	jmp park

	/* Copied to AP_TRAMPOLINE, a page below 1 MiB: the start-up IPI enters it in real mode with ip 0. */
	.code16
	.globl ap_trampoline, ap_trampoline_end
ap_trampoline:
	cli
	cld
	movw %cs, %ax
	movw %ax, %ds
	lgdtl trampoline_gdt_pointer - ap_trampoline
	movl %cr0, %eax
	orl $CR0_PE, %eax
	movl %eax, %cr0
	ljmpl $SEL_CODE32, $ap_entry32
	.balign 4
trampoline_gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt
ap_trampoline_end:

	/* Each exception: the error code (0 where the processor pushes none), the vector, and on to C, for good. */
	.code64
	.balign 16
	.globl exception_entries
exception_entries:
	.irp vector, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	.balign 16
	.if (\vector != 8) && ((\vector < 10) || (\vector > 14)) && (\vector != 17) && (\vector != 21)
	pushq $0
	.endif
	pushq $\vector
	jmp exception_common
	.endr

exception_common:
	movq (%rsp), %rdi
	movq 8(%rsp), %rsi
	movq 16(%rsp), %rdx
	movq %cr2, %rcx
	andq $-16, %rsp
	call unexpected_exception
	jmp park

	.section .data
	.balign 8
gdt:
	.quad 0
	.quad 0x00cf9b000000ffff
	.quad 0x00cf93000000ffff
	.quad 0x00af9b000000ffff
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.quad gdt
	.balign 8
	.globl idt_pointer
idt_pointer:
	.word 32 * 16 - 1
	.quad idt
	.balign 4
	.globl cpu_ticket
cpu_ticket:
	.long 0
start_info_address:
	.long 0

	.section .bss
	.balign 4096
pml4:	.skip 4096
pdpt:	.skip 4096
page_directories:
	.skip GIB_MAPPED * 4096
	.globl idt
idt:	.skip 32 * 16
	.balign 16
cpu_stacks:
	.skip CPUS_MAX * CPU_STACK_SIZE
