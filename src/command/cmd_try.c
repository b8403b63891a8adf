/* cmd_try.c - does a node that was just made work? The certificate of the authority comes, a letter goes from
 * an account to itself, and everything else is examined. */
#include "acme/acme.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd.h"
#include "core/core.h"
#include "store/store.h"

#define CERTIFICATE_TIME (180 * RT_S)

/* Until there is one, or the authority has refused one. */
static int wait_for_certificate(struct request *r)
{
    int64_t until = rt_now() + CERTIFICATE_TIME;
    for (;;) {
        struct acme_kept k;
        int e = acme_kept(r->core->store->kv, r->a, SL(""), &k);
        if (e) return e;
        bool there = k.chain_pem.n != 0, refused = !there && acme_has_failed(&k);
        if (!there && !refused && rt_now() < until) {
            e = fiber_sleep(RT_S / 2);
            if (e) return e;
            continue;
        }
        json_object_set_new(r->reply, "certified", json_boolean(there));
        if (refused) reply_text(r->reply, "refused", k.why);
        return there ? 0 : NO;
    }
}

int run_try(struct request *r)
{
    int certified = r->core->acme ? wait_for_certificate(r) : 0;
    if (certified && certified != NO) return certified;
    reply_text(r->args, "to", arg_slice(r->args, "account"));
    int sent = run_send_test(r);
    if (sent && sent != NO) return sent;
    int well = run_doctor(r);
    return well ? well : certified ? certified : sent;
}

static void print_certified(json_t *reply, struct buf *out)
{
    const json_t *certified = json_object_get(reply, "certified");
    struct arena a = {0};
    if (json_is_true(certified)) buf_str(out, "right     the authority has given a certificate\n");
    else if (certified)
        buf_printf(out, "NOT RIGHT the authority has given no certificate%s%.*s\n",
                   *arg_text(reply, "refused") ? ": " : " yet",
                   SLF(printable(&a, arg_slice(reply, "refused"), 300)));
    ar_free(&a);
}

void print_try(json_t *args, json_t *reply, struct buf *out)
{
    print_certified(reply, out);
    print_send_test(args, reply, out);
    buf_str(out, "\n");
    print_doctor(args, reply, out);
}
