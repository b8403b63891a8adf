/* dkim_fuzz.c - any letter: its signatures read, its header hashed, all judged with keys that
 * signed none of the seeds. Nothing can pass. */
#include "base/fuzz.h"
#include "base/text.h"
#include "dkim_i.h"

/* RFC 8032 section 7.1, test 2; the RSA key of RFC 6376 appendix C. */
static const struct slice records[] = {
    SL_INIT("v=DKIM1; k=ed25519; p=PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw="),
    SL_INIT(
        "v=DKIM1; t=s:y; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt"
        "IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/"
        "NMqJ0fzfVjH4OuKhitdY9tf6mcwGj"
        "aNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"),
};

static void make_key(struct arena *a, struct dkim_pubkey *k)
{
    k->answer.status = DNS_FOUND;
    for (k->n = 0; k->n < COUNT_OF(records); k->n++) {
        ASSERT(!dkim_record_parse(a, records[k->n], &k->record[k->n]));
        ASSERT(!verify_key_from(k->record[k->n].kind, k->record[k->n].public, &k->public[k->n]));
    }
}

static void judge(struct arena *a, const struct mail_head *head, struct slice body, struct dkim_sig *s)
{
    struct dkim_pubkey key = {0};
    struct dkim_names names;
    struct dkim_facts facts = {0};
    struct buf data = BUF_INIT;
    struct dkim_body *b = dkim_body_new(a);
    s->want = dkim_body_want(b, s->body_canon, s->has_length ? s->length : DKIM_WHOLE);
    dkim_body_add(b, body);
    dkim_body_end(b);
    dkim_names_init(a, head, &names);
    dkim_head_data(&data, &names, s);
    ASSERT(data.n < 3 * head->size + 4096);
    make_key(a, &key);
    dkim_judge(a, s, &key, b, buf_slice(&data), &facts);
    ASSERT(s->result != DKIM_PASS && s->result != DKIM_NONE && s->reason.n);
    dkim_changed_field(a, head, s);
    dkim_unsigned_extra(&names, s);
    for (size_t i = 0; i < key.n; i++) verify_key_free(&key.public[i]);
    buf_free(&data);
}

FUZZ
{
    struct arena a = {0};
    struct mail_head head;
    if (!mail_head_parse(&a, input, &head)) {
        struct slice body = sl_from(input, head.body_at);
        struct dkim_body *b = dkim_body_new(&a);
        ASSERT(dkim_verify_new(&a, &head, NULL, b));
        dkim_body_add(b, body);
        dkim_body_end(b);
        for (size_t i = 0, n = 0; i < head.n && n < DKIM_SIGS_MAX; i++) {
            struct dkim_sig s;
            if (!sl_eqi(head.field[i].name, SL("dkim-signature"))) continue;
            dkim_sig_read(&a, &head.field[i], FAMILY_DKIM, &s);
            ASSERT(s.result == DKIM_NONE || s.reason.n);
            if (s.result == DKIM_NONE) judge(&a, &head, body, &s), n++;
        }
    }
    ar_free(&a);
}
