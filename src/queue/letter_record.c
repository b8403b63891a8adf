/* letter_record.c - what the row of an envelope and the origin of its body (letter_origin.c) both say of a
 * letter, under the same tags. */
#include "letter_record.h"
#include "kv/record.h"

void letter_record_put(struct buf *b, const struct letter *l)
{
    rec_put(b, 'f', l->sender);
    rec_put_u64(b, 'h', l->head_size);
    rec_put_u64(b, 't', (uint64_t)l->received);
    rec_opt_u64(b, '8', l->eight_bit);
    rec_opt_u64(b, 'u', l->smtputf8);
    rec_opt_u64(b, 'B', l->binary);
    rec_opt_u64(b, 'j', l->junk);
    rec_put_u64(b, 'p', l->stream);
    rec_opt(b, 's', l->submitter);
    rec_opt(b, 'C', l->campaign);
    rec_opt(b, 'm', l->message_id);
    rec_opt(b, 'S', l->subject);
    rec_opt(b, 'r', l->ret);
    rec_opt(b, 'v', l->envid);
    letter_wants_put(b, &l->wants);
    rec_opt(b, 'Z', l->signed_for);
    rec_opt_u64(b, 'P', l->path);
}

/* A word that this program does not know was written by a later one: it proves nothing here. */
static enum letter_path path_of(uint64_t v) { return v < LETTER_PATHS ? (enum letter_path)v : PATH_UNPROVEN; }

int letter_record_take(struct rec *r, struct letter *l)
{
    switch (r->tag) {
    case 'f': l->sender = r->field; break;
    case 'h': l->head_size = (uint32_t)rec_u64(r); break;
    case 't': l->received = (int64_t)rec_u64(r); break;
    case '8': l->eight_bit = rec_u64(r) != 0; break;
    case 'u': l->smtputf8 = rec_u64(r) != 0; break;
    case 'B': l->binary = rec_u64(r) != 0; break;
    case 'j': l->junk = rec_u64(r) != 0; break;
    case 'p': l->stream = (enum stream)rec_u64(r); break;
    case 's': l->submitter = r->field; break;
    case 'C': l->campaign = r->field; break;
    case 'm': l->message_id = r->field; break;
    case 'S': l->subject = r->field; break;
    case 'r': l->ret = r->field; break;
    case 'v': l->envid = r->field; break;
    case 'Z': l->signed_for = r->field; break;
    case 'P': l->path = path_of(rec_u64(r)); break;
    case 'w': return letter_wants_get(r->field, &l->wants);
    }
    return 0;
}
