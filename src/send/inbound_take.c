/* inbound_take.c - a letter handed to its URL: one attempt (inbound.h). */
#include "base/log.h"
#include "body/body.h"
#include "inbound_i.h"
#include "send_i.h"
#include "webhook_i.h"

enum {
    ANSWER_MAX = 64 << 10,
    COPIES = 4, /* of a letter in memory: itself, its parts, the form twice while it grows */
    AT_ONCE = 4 * INBOUND_LETTER_MAX,
    AGAIN_S = 20, /* so long a letter waits for others to be told */
};
#define ANSWER_WITHIN (30 * RT_S)
#define ROOM_LOOK (RT_S / 4)

struct handing {
    struct sends *s;
    struct last_hop *d;
    struct arena a;
    struct inbound in;
    struct es256 *key;
    struct inbound_letter letter;
    struct buf body; /* what is signed: the time, and behind it the form */
    struct slice when, signature;
};

/* ---- room ---- */

static bool room_taken(struct sends *s, uint64_t need)
{
    lock_take(&s->lock);
    bool fits = !s->inbound_bytes || s->inbound_bytes + need <= AT_ONCE;
    if (fits) s->inbound_bytes += need;
    lock_release(&s->lock);
    return fits;
}

static void room_give_back(struct sends *s, uint64_t need)
{
    lock_take(&s->lock);
    s->inbound_bytes -= need;
    lock_release(&s->lock);
}

static int take_room(struct sends *s, uint64_t need)
{
    for (int64_t until = rt_now() + AGAIN_S * RT_S; !room_taken(s, need);) {
        if (rt_now() >= until)
            return err_set(ERR_BUSY, "too many large letters are being handed to webhooks");
        int e = fiber_sleep(ROOM_LOOK);
        if (e) return e;
    }
    return 0;
}

/* ---- the call ---- */

/* On a thread. */
static int build(void *arg)
{
    struct handing *x = arg;
    buf_put(&x->body, x->when);
    inbound_form(&x->body, &x->letter);
    return webhook_sign(x->key, &x->a, buf_slice(&x->body), &x->signature);
}

static int read_letter(struct handing *x)
{
    const struct letter *l = x->d->letter;
    struct slice whole;
    uint64_t random[2];
    int e = body_get(x->s->store->body, &l->body, SIZE_MAX, &x->a, &whole);
    if (e) return e;
    rt_random(random, sizeof random);
    x->when = ar_printf(&x->a, "%lld", (long long)rt_wall_seconds());
    x->letter = (struct inbound_letter){.text = sl_from(whole, l->skip),
                                        .from = l->sender,
                                        .to = x->d->address,
                                        .hostname = x->s->hostname,
                                        .raw = x->in.raw,
                                        .spam_check = x->in.spam_check,
                                        .junk = l->junk};
    x->letter.boundary =
        ar_printf(&x->a, "tram-%016llx%016llx", (unsigned long long)random[0], (unsigned long long)random[1]);
    return offload_for(POOL_DISK, sl_hash(x->in.account) | 1, build, x);
}

/* For the sender too, who is a stranger: nothing of the URL. */
static const char *failure(int e)
{
    switch (e) {
    case ERR_TIMEOUT: return "did not answer in time";
    case ERR_TLS: return "shows a certificate that is not believed";
    case ERR_NOT_FOUND:
    case ERR_DNS: return "is not to be found in the DNS";
    case ERR_DENIED: return "is at an address that is not of the world";
    case ERR_USAGE: return "has a URL that is not allowed";
    default: return "cannot be reached";
    }
}

static int call(struct handing *x)
{
    struct slice type = ar_printf(&x->a, "multipart/form-data; boundary=%.*s", SLF(x->letter.boundary));
    const struct fetch_field fields[] = {{SL("Content-Type"), type},
                                         {SL("User-Agent"), SL("Tram")},
                                         {SL("X-Tram-Delivery"), x->d->name},
                                         {SL("X-Twilio-Email-Event-Webhook-Signature"), x->signature},
                                         {SL("X-Twilio-Email-Event-Webhook-Timestamp"), x->when}};
    struct fetch_answer answer = {0};
    struct fetch_request q = {.method = SL("POST"),
                              .url = x->in.url,
                              .field = fields,
                              .nfield = COUNT_OF(fields),
                              .body = sl_from(buf_slice(&x->body), x->when.n),
                              .size_max = ANSWER_MAX,
                              .timeout = ANSWER_WITHIN,
                              .asker = sl_hash(x->in.account) | 1,
                              .clear = x->s->webhook_private,
                              .private_hosts = x->s->webhook_private};
    int e = fetch(x->s->fetch, &x->a, &q, &answer);
    if (e == ERR_CANCELED) return e;
    if (e)
        log_info("send", "%s: not handed to the URL of %.*s: %s", x->d->letter->id.s, SLF(x->in.name),
                 err_text(e));
    if (e) return err_set(ERR_BUSY, "its webhook %s", failure(e));
    if (answer.status < 200 || answer.status > 299)
        return err_set(ERR_BUSY, "its webhook answered %d", answer.status);
    x->d->where = "to its webhook";
    return 0;
}

static int hand_over(struct handing *x)
{
    uint64_t need = COPIES * body_ref_size(&x->d->letter->body);
    int e = x->s->fetch ? take_room(x->s, need) : err_set(ERR_BUSY, "no webhook is told anything here");
    if (e) return e;
    e = read_letter(x);
    if (!e) e = call(x);
    buf_free(&x->body);
    room_give_back(x->s, need);
    return e;
}

/* ---- what nobody takes ---- */

static int file(struct handing *x)
{
    struct last_hop own = *x->d;
    char id[sizeof x->d->letter->rcpt->route.account];
    if (!x->in.account.n || x->in.account.n >= sizeof id) return ERR_CORRUPT;
    memcpy(id, x->in.account.p, x->in.account.n);
    id[x->in.account.n] = 0;
    own.account = id;
    own.detail = SL("");
    int e = x->s->file(x->s->file_ctx, &own);
    x->d->where = own.where;
    x->d->before = own.before;
    return e;
}

static bool has_waited(const struct handing *x)
{
    return rt_wall_seconds() - x->d->letter->received >= x->s->inbound_keep;
}

static int one_attempt(struct handing *x)
{
    bool too_large = body_ref_size(&x->d->letter->body) > INBOUND_LETTER_MAX;
    if (x->in.mailbox && x->s->file && (too_large || has_waited(x))) return file(x);
    if (too_large)
        return err_set(ERR_TOO_LONG, "its webhook takes letters up to %d MB", INBOUND_LETTER_MAX >> 20);
    return hand_over(x);
}

int inbound_take(struct sends *s, struct last_hop *d)
{
    struct handing x = {.s = s, .d = d};
    ASSERT(last_hop_calls(d->account));
    d->before = false;
    int e = inbound_read(s, sl_from(sl_cstr(d->account), 1), &x.a, &x.in, &x.key);
    if (e == ERR_NOT_FOUND) e = err_set(e, "nothing takes its mail any more");
    else if (!e) e = one_attempt(&x);
    if (e == ERR_VERSION) e = err_set(ERR_CORRUPT, "what is known of its webhook cannot be read");
    if (!e && d->tell) e = kv_transact(s->store->kv, SL(SENDS_OBJECT), d->tell, d->tell_arg);
    es256_free(&x.key);
    ar_free(&x.a);
    return e;
}
