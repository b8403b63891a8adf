/* local.c - delivery into an account here, exactly once: the account remembers the
 * delivery's name, made of the letter's id, the recipient's number and what the body is: another letter
 * that has the same id by chance is not taken for delivered. */
#include <stdio.h>

#include "queue_i.h"
#include "store/mailbox.h"

int local_deliver(struct store *s, const struct letter *l, const char *account, uint32_t rcpt_n, kv_fn *tell,
                  void *arg, bool *duplicate)
{
    char name[LETTER_ID_LEN + 16 + sizeof l->body.s];
    uint32_t uid;
    /* of our own, a letter with this id may be made anew, and is the same whatever its body */
    struct slice content = l->once ? SL("once") : body_ref_content(&l->body);
    snprintf(name, sizeof name, "%s.%u.%.*s", l->id.s, rcpt_n, SLF(content));
    struct message_new m = {.internal_date = l->received,
                            .size = body_ref_size(&l->body),
                            .head_size = l->head_size,
                            .body = l->body,
                            .tell = tell,
                            .tell_arg = arg};
    int e =
        message_deliver(s, account, sl_cstr(name), l->junk ? SL("Junk") : SL("INBOX"), &m, &uid, duplicate);
    if (e != ERR_UNKNOWN) return e;
    /* perhaps done: the name makes trying again safe, and only a success says anything about the first try */
    e = message_deliver(s, account, sl_cstr(name), l->junk ? SL("Junk") : SL("INBOX"), &m, &uid, duplicate);
    return e ? err_set(ERR_UNKNOWN, "it is not known whether the letter was delivered") : 0;
}

/* A letter that may be in its mailbox is neither deferred nor bounced: this asks until it is known. */
static int deliver_until_known(struct store *s, const struct q_loaded *l, uint32_t rcpt_n, bool *duplicate)
{
    enum { PAUSE_MAX_S = 60 };
    int e = local_deliver(s, &l->e.l, l->g.account, rcpt_n, NULL, NULL, duplicate);
    for (int64_t pause = 1; e == ERR_UNKNOWN && fiber_sleep(pause * RT_S) == 0; pause *= 2) {
        if (pause > PAUSE_MAX_S) pause = PAUSE_MAX_S;
        e = local_deliver(s, &l->e.l, l->g.account, rcpt_n, NULL, NULL, duplicate);
    }
    return e;
}

static void result_of(int e, struct attempt_rcpt *out)
{
    const char *status = "4.3.0";
    out->result = ATTEMPT_TEMPORARY;
    out->code = 451;
    if (e == ERR_QUOTA) {
        status = "4.2.2", out->code = 452;
    } else if (e == ERR_NOT_FOUND) {
        out->result = ATTEMPT_PERMANENT;
        status = "5.1.1", out->code = 550;
    } else if (!err_is_temporary(e)) {
        out->result = ATTEMPT_PERMANENT;
        status = "5.3.0", out->code = 554;
    }
    snprintf(out->enhanced, sizeof out->enhanced, "%s", status);
}

void local_attempt(struct queue *q, const struct q_loaded *l, struct q_rcpt *const *rcpt,
                   struct attempt_rcpt *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool duplicate;
        int e = deliver_until_known(q->store, l, rcpt[i]->n, &duplicate);
        if (!e) {
            out[i].result = ATTEMPT_DELIVERED;
            out[i].reply = duplicate     ? SL("it was there already")
                           : l->e.l.junk ? SL("delivered as junk")
                                         : SL("delivered into the inbox");
            continue;
        }
        result_of(e, &out[i]);
        out[i].reply = e == ERR_NOT_FOUND ? SL("the account is gone")
                       : e == ERR_QUOTA   ? SL("the mailbox is full")
                                          : sl_cstr(err_name(e));
    }
}
