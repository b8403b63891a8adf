/* made_up_relay_test.c - the relay of the queue's tests: a result by the recipient's local part. */
#include "queue_test.h"

static void fill(struct attempt_letter *at, struct attempt_rcpt *r)
{
    static const struct {
        struct slice local;
        enum attempt result;
        int code;
        const char *enhanced, *reply;
    } table[] = {
        {SL_INIT("temp"), ATTEMPT_TEMPORARY, 451, "4.7.1", "451 4.7.1 come back later"},
        {SL_INIT("perm"), ATTEMPT_PERMANENT, 550, "5.1.1", "550 5.1.1 no such user"},
        {SL_INIT("block"), ATTEMPT_PERMANENT, 550, "5.7.1", "550 5.7.1 Your IP is on our blacklist"},
        {SL_INIT("dead"), ATTEMPT_TEMPORARY, 0, "4.4.1", "nobody answers"},
        {SL_INIT("dns"), ATTEMPT_TEMPORARY, 0, "4.4.3", "DNS gave no answer"},
        {SL_INIT("tls"), ATTEMPT_TEMPORARY, 0, "4.7.10", "TLS did not come about"},
        {SL_INIT("own"), ATTEMPT_TEMPORARY, 0, "4.3.0", "the server is shutting down"},
        {SL_INIT("spf"), ATTEMPT_PERMANENT, 550, "5.7.23", "550 5.7.23 SPF validation failed"},
        {SL_INIT("fast"), ATTEMPT_PERMANENT, 550, "", "550 Connection frequency limited"},
        {SL_INIT("odd"), ATTEMPT_PERMANENT, 500, "5.3.0", "500 5.3.0 try again later"},
        {SL_INIT("full"), ATTEMPT_TEMPORARY, 452, "4.2.2", "452 4.2.2 The mailbox is over its quota"},
        {SL_INIT("unsure"), ATTEMPT_UNCERTAIN, 0, "4.4.2", "the connection broke"},
        {SL_INIT(""), ATTEMPT_DELIVERED, 250, "2.0.0", "250 2.0.0 taken"},
    };
    size_t i = 0;
    while (!sl_starts(r->address, table[i].local)) i++;
    r->result = table[i].result;
    r->code = table[i].code;
    snprintf(r->enhanced, sizeof r->enhanced, "%s", table[i].enhanced);
    r->reply = sl_cstr(table[i].reply);
    r->host = ar_printf(at->a, "mx.%.*s [192.0.2.1]:25", SLF(at->domain));
}

void fake_relay(void *ctx, struct attempt_letter *at)
{
    struct tester *t = ctx;
    bool shared = sl_find(at->domain, SL(".shared.test")) != SL_NONE;
    if (sl_starts(at->rcpt[0].address, SL("dns"))) { /* it never comes to a server */
        for (size_t i = 0; i < at->nrcpt; i++) fill(at, &at->rcpt[i]);
        t->unfound++;
        return;
    }
    if (!attempt_place(at, shared ? SL("mx.shared.test") : at->domain, at->domain, FROM_IPV4)) return;
    attempt_asks(at);
    t->attempts++;
    CHECK(at->nrcpt >= 1 && at->nrcpt <= 100 && at->letter->rcpt == NULL);
    if (++t->under_way > t->most_under_way) t->most_under_way = t->under_way;
    if (t->slow && waitq_wait(&t->slow_end) != 0) t->slow = true;
    t->under_way--;
    snprintf(t->first_host, sizeof t->first_host, "%.*s", SLF(at->first_host));
    for (size_t i = 0; i < at->nrcpt; i++, t->rcpts++) fill(at, &at->rcpt[i]);
    t->wants = at->letter->wants;
    t->sent = (struct letter_source){.size = at->source->size, .head = at->source->head};
    int64_t n = letter_source_read(at->source, 0, t->bytes, sizeof t->bytes);
    t->nbytes = n > 0 ? (size_t)n : 0;
}
