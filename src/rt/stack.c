/* stack.c - stacks of fibers: guarded, reused last in first out, and given back
 * to the system where a fiber went deep.
 *
 * A mapping is guard | stack | struct stack. The guard is made with
 * MADV_GUARD_INSTALL where the kernel has it: that splits no mapping, so the
 * number of stacks is not bounded by vm.max_map_count as it is with mprotect. */
#include "rt_i.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/memory.h"

#if WITH_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum {
    PAGE = 4096,
    GUARD = 32 << 10,   /* wider than a frame of any library that does not probe its stack */
    SHALLOW = 28 << 10, /* what a stack may keep resident while it waits for reuse */
    KEEP_FREE = 1024,   /* free stacks that may keep resident pages at all */
    ALT_BYTES = 64 << 10,
};
#define DEFAULT_BYTES ((size_t)(WITH_ASAN ? 1 << 20 : 256 << 10))

static bool guard(char *p)
{
    if (madvise(p, GUARD, MADV_GUARD_INSTALL) == 0) return true;
    return mprotect(p, GUARD, PROT_NONE) == 0;
}

static struct stack *stack_new(struct stack_pool *p)
{
    if (!p->size) p->size = DEFAULT_BYTES;
    p->size = (p->size + PAGE - 1) & ~(size_t)(PAGE - 1);
    size_t all = GUARD + p->size;
    char *m = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m == MAP_FAILED || !guard(m)) {
        if (m != MAP_FAILED) munmap(m, all);
        memory_count(-SHALLOW);
        return NULL;
    }
    struct stack *s = (struct stack *)(m + all - sizeof(struct stack));
    s->bottom = m + GUARD;
    s->size = p->size - sizeof(struct stack);
    p->all++;
    return s;
}

struct stack *stack_take(struct stack_pool *p)
{
    struct link *l = list_shift(&p->free);
    memory_count(SHALLOW);
    if (!l) return stack_new(p);
    p->nfree--;
    struct stack *s = CONTAINER_OF(l, struct stack, link);
    ASAN_UNPOISON_MEMORY_REGION(s->bottom, s->size);
    return s;
}

/* Is anything but zeros in this page? A page never touched reads as zeros and costs nothing. */
__attribute__((no_sanitize("address"))) static bool page_used(const char *page)
{
    const uint64_t *w = (const uint64_t *)page;
    for (size_t i = 0; i < PAGE / sizeof *w; i++)
        if (w[i]) return true;
    return false;
}

static size_t deepest(const struct stack *s)
{
    unsigned char in[512];
    size_t pages = (s->size + sizeof *s) / PAGE;
    if (pages > sizeof in || mincore(s->bottom, pages * PAGE, in) != 0) return 0;
    for (size_t i = 0; i < pages; i++)
        if (in[i] & 1) return (pages - i) * PAGE;
    return 0;
}

static void give_pages_back(struct stack_pool *p, struct stack *s)
{
    char *top = s->bottom + s->size + sizeof *s;
    bool deep = page_used(top - SHALLOW - PAGE);
    if (deep) {
        size_t used = deepest(s);
        if (used > p->most) p->most = used;
    } else if (p->most < SHALLOW) {
        size_t pages = 1;
        while (pages * PAGE < SHALLOW && page_used(top - (pages + 1) * PAGE)) pages++;
        if (pages * PAGE > p->most) p->most = pages * PAGE;
    }
    size_t keep = p->nfree >= KEEP_FREE ? PAGE : SHALLOW;
    if (deep || keep == PAGE) madvise(s->bottom, (size_t)(top - s->bottom) - keep, MADV_DONTNEED);
}

void stack_give(struct stack_pool *p, struct stack *s)
{
    ASAN_UNPOISON_MEMORY_REGION(s->bottom, s->size);
    give_pages_back(p, s);
    memory_count(-SHALLOW);
    list_unshift(&p->free, &s->link);
    p->nfree++;
}

void stack_pool_free(struct stack_pool *p)
{
    struct link *l;
    while ((l = list_shift(&p->free))) {
        struct stack *s = CONTAINER_OF(l, struct stack, link);
        munmap(s->bottom - GUARD, GUARD + s->size + sizeof *s);
        p->all--;
    }
    p->nfree = 0;
}

/* ---- naming the fiber whose stack ran over ---- */

static struct sigaction before[2];
static const int watched[2] = {SIGSEGV, SIGBUS};

static void say(const char *s)
{
    ssize_t n = write(STDERR_FILENO, s, strlen(s));
    (void)n;
}

static void on_fault(int sig, siginfo_t *info, void *uc)
{
    struct fiber *f = fiber_self();
    bool sent = info->si_code <= 0; /* by kill(2): no address was touched */
    const char *at = info->si_addr;
    if (f && !sent && at >= f->stack->bottom - GUARD && at < f->stack->bottom) {
        say("tram: the stack of a fiber ran over: ");
        say(f->name);
        say("\n");
    }
    const struct sigaction *old = &before[sig == SIGSEGV ? 0 : 1];
    if ((old->sa_flags & SA_SIGINFO) && old->sa_sigaction) {
        old->sa_sigaction(sig, info, uc);
        return;
    }
    signal(sig, SIG_DFL); /* the fault happens again and ends the process */
    if (sent) raise(sig);
}

static void install(void)
{
    struct sigaction a = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&a.sa_mask);
    for (size_t i = 0; i < COUNT_OF(watched); i++) {
        struct sigaction now;
        sigaction(watched[i], NULL, &now);
        if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_fault) continue;
        sigaction(watched[i], &a, &before[i]);
    }
}

void stack_watch_thread(void)
{
    if (!WITH_ASAN) { /* which brings its own */
        stack_t alt = {.ss_sp = xmalloc(ALT_BYTES), .ss_size = ALT_BYTES};
        sigaltstack(&alt, NULL);
    }
    install();
}

void stack_unwatch_thread(void)
{
    stack_t off = {.ss_flags = SS_DISABLE}, old;
    if (WITH_ASAN) return;
    if (sigaltstack(&off, &old) == 0 && !(old.ss_flags & SS_DISABLE)) free(old.ss_sp);
}
