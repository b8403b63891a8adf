/* switch.c - changing from one stack to another.
 *
 * Only what the calling convention keeps over a call is saved: 6 registers on
 * x86-64; x19 to x30 and d8 to d15 on aarch64. Floating-point control words are
 * never changed in this program. The CFI lets a debugger walk a suspended fiber;
 * context_start marks the end of its stack. */
#include "rt_i.h"

#if WITH_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

void context_jump(void **save, void *to) __attribute__((visibility("hidden")));
extern const char context_start_at[] __attribute__((visibility("hidden")));

#if defined(__x86_64__)
#define SAVED_WORDS 7 /* r15 r14 r13 r12 rbx rbp, return address */
asm(".text\n"
    ".p2align 4\n"
    ".hidden context_jump\n"
    ".globl context_jump\n"
    ".type context_jump, @function\n"
    "context_jump:\n"
    "    .cfi_startproc\n"
    "    endbr64\n"
    "    pushq %rbp\n"
    "    .cfi_def_cfa_offset 16\n"
    "    .cfi_offset rbp, -16\n"
    "    pushq %rbx\n"
    "    .cfi_def_cfa_offset 24\n"
    "    .cfi_offset rbx, -24\n"
    "    pushq %r12\n"
    "    .cfi_def_cfa_offset 32\n"
    "    .cfi_offset r12, -32\n"
    "    pushq %r13\n"
    "    .cfi_def_cfa_offset 40\n"
    "    .cfi_offset r13, -40\n"
    "    pushq %r14\n"
    "    .cfi_def_cfa_offset 48\n"
    "    .cfi_offset r14, -48\n"
    "    pushq %r15\n"
    "    .cfi_def_cfa_offset 56\n"
    "    .cfi_offset r15, -56\n"
    "    movq %rsp, (%rdi)\n"
    "    movq %rsi, %rsp\n" /* the other stack has the same shape from here on */
    "    popq %r15\n"
    "    .cfi_def_cfa_offset 48\n"
    "    .cfi_restore r15\n"
    "    popq %r14\n"
    "    .cfi_def_cfa_offset 40\n"
    "    .cfi_restore r14\n"
    "    popq %r13\n"
    "    .cfi_def_cfa_offset 32\n"
    "    .cfi_restore r13\n"
    "    popq %r12\n"
    "    .cfi_def_cfa_offset 24\n"
    "    .cfi_restore r12\n"
    "    popq %rbx\n"
    "    .cfi_def_cfa_offset 16\n"
    "    .cfi_restore rbx\n"
    "    popq %rbp\n"
    "    .cfi_def_cfa_offset 8\n"
    "    .cfi_restore rbp\n"
    "    ret\n"
    "    .cfi_endproc\n"
    ".size context_jump, .-context_jump\n"
    ".p2align 4\n"
    ".type context_start, @function\n"
    "context_start:\n"
    "    .cfi_startproc\n"
    "    .cfi_undefined rip\n"
    "    endbr64\n"
    ".hidden context_start_at\n"
    ".globl context_start_at\n"
    "context_start_at:\n" /* unwinders look one byte before a return address */
    "    xorl %ebp, %ebp\n"
    "    callq *%r12\n"
    "    ud2\n"
    "    .cfi_endproc\n"
    ".size context_start, .-context_start\n");

static void *first_frame(char *top, void (*entry)(void))
{
    void **sp = (void **)top - SAVED_WORDS;
    memset(sp, 0, SAVED_WORDS * sizeof *sp);
    sp[3] = (void *)entry; /* r12 */
    sp[6] = (void *)context_start_at;
    return sp;
}

#elif defined(__aarch64__)
#define SAVED_WORDS 20
asm(".text\n"
    ".p2align 4\n"
    ".hidden context_jump\n"
    ".globl context_jump\n"
    ".type context_jump, %function\n"
    "context_jump:\n"
    "    .cfi_startproc\n"
    "    hint 34\n" /* bti c */
    "    sub sp, sp, 160\n"
    "    .cfi_def_cfa_offset 160\n"
    "    stp x19, x20, [sp, 0]\n"
    "    stp x21, x22, [sp, 16]\n"
    "    stp x23, x24, [sp, 32]\n"
    "    stp x25, x26, [sp, 48]\n"
    "    stp x27, x28, [sp, 64]\n"
    "    stp x29, x30, [sp, 80]\n"
    "    stp d8, d9, [sp, 96]\n"
    "    stp d10, d11, [sp, 112]\n"
    "    stp d12, d13, [sp, 128]\n"
    "    stp d14, d15, [sp, 144]\n"
    "    .cfi_offset x19, -160\n"
    "    .cfi_offset x20, -152\n"
    "    .cfi_offset x21, -144\n"
    "    .cfi_offset x22, -136\n"
    "    .cfi_offset x23, -128\n"
    "    .cfi_offset x24, -120\n"
    "    .cfi_offset x25, -112\n"
    "    .cfi_offset x26, -104\n"
    "    .cfi_offset x27, -96\n"
    "    .cfi_offset x28, -88\n"
    "    .cfi_offset x29, -80\n"
    "    .cfi_offset x30, -72\n"
    "    mov x9, sp\n"
    "    str x9, [x0]\n"
    "    mov sp, x1\n"
    "    ldp x19, x20, [sp, 0]\n"
    "    ldp x21, x22, [sp, 16]\n"
    "    ldp x23, x24, [sp, 32]\n"
    "    ldp x25, x26, [sp, 48]\n"
    "    ldp x27, x28, [sp, 64]\n"
    "    ldp x29, x30, [sp, 80]\n"
    "    ldp d8, d9, [sp, 96]\n"
    "    ldp d10, d11, [sp, 112]\n"
    "    ldp d12, d13, [sp, 128]\n"
    "    ldp d14, d15, [sp, 144]\n"
    "    add sp, sp, 160\n"
    "    .cfi_def_cfa_offset 0\n"
    "    ret\n"
    "    .cfi_endproc\n"
    ".size context_jump, .-context_jump\n"
    ".p2align 4\n"
    ".type context_start, %function\n"
    "context_start:\n"
    "    .cfi_startproc\n"
    "    .cfi_undefined x30\n"
    "    hint 34\n"
    ".hidden context_start_at\n"
    ".globl context_start_at\n"
    "context_start_at:\n"
    "    mov x29, xzr\n"
    "    blr x19\n"
    "    brk 1\n"
    "    .cfi_endproc\n"
    ".size context_start, .-context_start\n");

static void *first_frame(char *top, void (*entry)(void))
{
    void **sp = (void **)top - SAVED_WORDS;
    memset(sp, 0, SAVED_WORDS * sizeof *sp);
    sp[0] = (void *)entry;             /* x19 */
    sp[11] = (void *)context_start_at; /* x30 */
    return sp;
}
#else
#error "this processor needs its own context_jump"
#endif

void context_make(struct context *c, void *bottom, size_t size, void (*entry)(void))
{
    char *top = (char *)(((uintptr_t)bottom + size) & ~(uintptr_t)15);
    *c = (struct context){.sp = first_frame(top, entry), .bottom = bottom, .size = size};
}

#if WITH_ASAN
void context_switch(struct context *from, struct context *to)
{
    __sanitizer_start_switch_fiber(&from->fake, to->bottom, to->size);
    context_jump(&from->sp, to->sp);
    __sanitizer_finish_switch_fiber(from->fake, NULL, NULL);
}

void context_landed(struct context *self, struct context *from)
{
    __sanitizer_finish_switch_fiber(self->fake, &from->bottom, &from->size);
}

void context_leave(struct context *from, struct context *to)
{
    __sanitizer_start_switch_fiber(NULL, to->bottom, to->size);
    context_jump(&from->sp, to->sp);
    __builtin_unreachable();
}
#else
void context_switch(struct context *from, struct context *to) { context_jump(&from->sp, to->sp); }

void context_landed(struct context *self, struct context *from)
{
    (void)self;
    (void)from;
}

void context_leave(struct context *from, struct context *to)
{
    context_jump(&from->sp, to->sp);
    __builtin_unreachable();
}
#endif
