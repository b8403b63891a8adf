/* template_fuzz.c - any source and any data: text or a sentence, bounded. The input is JSON, a NUL, the
 * source. */
#include "base/fuzz.h"
#include "template.h"

static void one(struct template_how how, struct slice source, const json_t *data)
{
    struct arena a;
    struct buf b = BUF_INIT;
    const struct template *t;
    ar_init(&a, 0);
    if (template_compile(&a, how, source, &t) == 0) {
        int e = template_render(t, data, &b);
        ASSERT(e <= 0 && (e == 0 || b.n == 0));
        size_t n = b.n;
        ASSERT(template_render(t, data, &b) == e && b.n == 2 * n); /* the same again */
    }
    buf_free(&b);
    ar_free(&a);
}

FUZZ
{
    struct slice text;
    (void)!sl_next(&input, 0, &text);
    json_t *data = json_loadb(text.p ? text.p : "", text.n, 0, NULL);
    struct slice source = input.p ? input : SL("");
    one((struct template_how){TEMPLATE_HANDLEBARS, true, false, false}, source, data);
    one((struct template_how){TEMPLATE_HANDLEBARS, false, true, false}, source, data);
    one((struct template_how){TEMPLATE_MAILJET, false, true, false}, source, data);
    struct buf b = BUF_INIT;
    if (json_is_object(data)) (void)!template_replace(source, data, &b);
    buf_free(&b);
    json_decref(data);
}
