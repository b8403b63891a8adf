/* arc_fuzz.c - any letter: its ARC fields read, its chain's structure judged, what seals cover put together.
 */
#include "arc_i.h"
#include "base/fuzz.h"

FUZZ
{
    struct arena a = {0};
    struct mail_head head;
    if (!mail_head_parse(&a, input, &head)) {
        struct dkim_body *b = dkim_body_new(&a);
        struct arc_chain *c = ar_new(&a, struct arc_chain);
        ASSERT(arc_verify_new(&a, &head, NULL, b));
        dkim_body_end(b);
        arc_read(&a, &head, c);
        ASSERT(c->highest >= 0 && c->highest <= ARC_SETS_MAX);
        if (c->fields && !arc_structure(&a, c).n) {
            struct buf data = BUF_INIT;
            for (int i = 1; i <= c->highest; i++) {
                ASSERT(c->set[i].aar && c->set[i].ams.field && c->set[i].seal.field);
                arc_put_evidence(&data, &c->set[i]);
                dkim_canon_field(&data, DKIM_RELAXED, c->set[i].seal.field, c->set[i].seal.b_span, false);
            }
            buf_free(&data);
        }
    }
    ar_free(&a);
}
