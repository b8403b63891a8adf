/* surrogate_fuzz.c - any bytes, cut anywhere: patches are in order and inside, what they make is in ASCII,
 * and all that was in ASCII is there as it was. */
#include "surrogate.h"

#include "base/fuzz.h"
#include "base/text.h"
#include "head.h"

static void judge(struct slice head, const struct mail_surrogate *x)
{
    uint64_t pos = 0;
    for (size_t i = 0; i < x->n; i++) {
        const struct mail_patch *p = &x->patch[i];
        ASSERT(p->from >= pos && p->from < p->to && p->to <= head.n && is_ascii(p->text));
        ASSERT(!is_ascii(sl_sub(head, p->from, p->to)));
        ASSERT(!p->text.n || sl_ends(p->text, SL("\r\n")));
        if (x->all) ASSERT(is_ascii(sl_sub(head, pos, p->from)));
        pos = p->to;
    }
    if (x->all) ASSERT(is_ascii(sl_from(head, pos)));
}

FUZZ
{
    struct arena a;
    struct mail_surrogate x;
    if (!input.n) return;
    size_t step = (unsigned char)input.p[0] % 32 + 1;
    struct slice head = sl_from(input, 1);
    ar_init(&a, 0);
    mail_surrogate_begin(&x, &a, input.p[0] & 64);
    mail_surrogate_head(&x, 0);
    for (size_t i = 0; i < head.n; i += step) mail_surrogate_next(&x, sl_sub(head, i, i + step));
    mail_surrogate_head_end(&x);
    judge(head, &x);
    mail_surrogate_end(&x);
    ar_free(&a);
}
