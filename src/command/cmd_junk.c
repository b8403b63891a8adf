/* cmd_junk.c - why a letter went into Junk, or not, in sentences. */
#include "cmd.h"
#include "core/core.h"
#include "store/store.h"
#include "trace/trace.h"

static bool tells_why(const struct trace_event *e)
{
    return e->kind == TRACE_JUDGED || e->kind == TRACE_CHECKED || e->kind == TRACE_FILTERED;
}

int run_junk_explain(struct request *r)
{
    struct trace_event *ev;
    struct letter_id id;
    size_t n;
    struct buf b = BUF_INIT;
    struct slice text = arg_slice(r->args, "id");
    if (!letter_id_ok(text)) return err_set(ERR_USAGE, "%.*s is no id of a letter", SLF(text));
    memcpy(id.s, text.p, LETTER_ID_LEN);
    id.s[LETTER_ID_LEN] = 0;
    int e = trace_read(r->core->store->trace, &id, r->a, &ev, &n);
    if (e) return e;
    for (size_t i = 0; i < n; i++)
        if (tells_why(&ev[i]))
            buf_printf(&b, "%s%s: %.*s", b.n ? "\n" : "", trace_word(ev[i].kind), SLF(ev[i].sentence));
    if (!b.n)
        buf_str(
            &b,
            "it was not judged by its words: they are not known well enough yet, or it is our own people's");
    reply_text(r->reply, "why", buf_slice(&b));
    buf_free(&b);
    return 0;
}

void print_junk_explain(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    buf_printf(out, "%s\n", arg_text(reply, "why"));
}
