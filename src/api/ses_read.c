/* ses_read.c - SendEmail and SendBulkEmail taken apart. Pure. */
#include "base/text.h"
#include "mail/addr.h"
#include "mail/encoded.h"
#include "mail/head.h"
#include "send/compose.h"
#include "ses.h"
#include "tree.h"

enum { DESTINATIONS_MAX = 50, ENTRIES_MAX = 50, SES_TAGS_MAX = 50, HEADERS_MAX = 15 };

static void keep_first(struct dialect *d, const char *path, int e, const char *sentence)
{
    struct ses_mail *m = d->arg;
    (void)e;
    if (!*m->why) snprintf(m->why, sizeof m->why, *path ? "%s: %s" : "%s%s", path, sentence);
}

static void begin(struct ses_mail *m)
{
    *m = (struct ses_mail){.s.send = {.stream = STREAM_TRANSACTIONAL, .language = SEND_PLAIN}};
    dialect_begin(&m->d, keep_first, m);
}

void ses_mail_end(struct ses_mail *m) { dialect_end(&m->d); }

/* ---- addresses: "Name <local@domain>" ---- */

static bool address(struct dialect *d, struct slice text, const char *path, struct send_addr *out)
{
    struct mail_addrs l;
    bool ok = compose_check_text(text, COMPOSE_NAME_MAX, "the address") == 0 &&
              mail_addrs_parse(&d->a, text, &l) == 0 && l.n == 1 && !l.bad && !l.v[0].group.n;
    if (ok)
        *out = (struct send_addr){.name = mail_words_decode(&d->a, l.v[0].name),
                                  .address = mail_addr_join(&d->a, l.v[0].local, l.v[0].domain)};
    ok = ok && compose_check_address(&d->a, out->address, "the address") == 0;
    struct slice shown = printable(&d->a, text, 100);
    if (!ok) dialect_fault(d, path, ERR_SYNTAX, "Illegal address: '%.*s'", SLF(shown));
    return ok;
}

static void addresses(struct dialect *d, const json_t *o, const char *key, const char *path,
                      struct send_addrs *out)
{
    json_t *list = dialect_array(d, o, key, path, DESTINATIONS_MAX), *v;
    size_t i;
    out->v = ar_array(&d->a, struct send_addr, json_array_size(list));
    json_array_foreach(list, i, v)
        if (address(d, dialect_slice(v), dialect_at_index(d, path, key, i), &out->v[out->n])) out->n++;
}

static void destination(struct dialect *d, const json_t *o, const char *path, struct send_letter *l)
{
    json_t *v = dialect_object(d, o, "Destination", path);
    addresses(d, v, "ToAddresses", "Destination", &l->to);
    addresses(d, v, "CcAddresses", "Destination", &l->cc);
    addresses(d, v, "BccAddresses", "Destination", &l->bcc);
}

/* ---- fields, tags, files ---- */

static void fields(struct dialect *d, const json_t *o, const char *key, struct send_fields *out)
{
    json_t *list = dialect_array(d, o, key, "", HEADERS_MAX), *v;
    size_t i;
    out->v = ar_array(&d->a, struct send_field, json_array_size(list));
    json_array_foreach(list, i, v) {
        struct send_field f = {dialect_string(d, v, "Name", key), dialect_string(d, v, "Value", key)};
        if (dialect_ok(d, key, compose_check_header(f.name, f.value))) out->v[out->n++] = f;
    }
}

/* Tags come back with events: as custom arguments. */
static struct slice tags(struct dialect *d, const json_t *o, const char *key)
{
    json_t *list = dialect_array(d, o, key, "", SES_TAGS_MAX), *v, *all = json_object();
    size_t i;
    json_array_foreach(list, i, v) {
        struct slice name = dialect_string(d, v, "Name", key), value = dialect_string(d, v, "Value", key);
        if (!name.n || name.n > 256 || value.n > 256)
            dialect_fault(d, key, ERR_SYNTAX, "A tag has a name and a value of at most 256 characters.");
        else json_object_setn_new(all, name.p, name.n, json_stringn(value.p, value.n));
    }
    struct slice s = json_object_size(all) ? dialect_dump(d, all) : SL("");
    json_decref(all);
    return s;
}

static void files(struct dialect *d, const json_t *o, struct send *s)
{
    json_t *list = dialect_array(d, o, "Attachments", "", SEND_FILES_MAX), *v;
    size_t i;
    s->file = ar_array(&d->a, struct send_file, json_array_size(list));
    json_array_foreach(list, i, v) {
        const char *path = dialect_at_index(d, "", "Attachments", i);
        struct send_file *f = &s->file[s->nfiles++];
        if (!json_is_object(v)) dialect_fault(d, path, ERR_SYNTAX, "must be an object");
        f->name = dialect_string(d, v, "FileName", path);
        f->type = dialect_string(d, v, "ContentType", path);
        f->content_id = dialect_string(d, v, "ContentId", path);
        f->in_text = sl_eqi(dialect_string(d, v, "ContentDisposition", path), SL("INLINE"));
        (void)dialect_ok(d, path, compose_check_text(f->name, COMPOSE_FILENAME_MAX, "The file name"));
        if (f->type.n) (void)dialect_ok(d, path, compose_check_type(&d->a, f->type, "The content type"));
        if (f->content_id.n) (void)dialect_ok(d, path, compose_check_content_id(f->content_id));
        f->bytes = dialect_bytes(d, dialect_string(d, v, "RawContent", path), path);
    }
}

/* ---- contents ---- */

static void part(struct send *s, struct slice type, struct slice text)
{
    if (text.n) s->part[s->nparts++] = (struct send_part){type, text};
}

void ses_use_texts(struct ses_mail *m, struct slice subject, struct slice text, struct slice html)
{
    struct send *s = &m->s.send;
    s->subject = subject;
    s->part = ar_array(&m->d.a, struct send_part, 2);
    s->nparts = 0;
    part(s, SL("text/plain"), text);
    part(s, SL("text/html"), html);
}

static struct slice data_of(struct dialect *d, const json_t *o, const char *key)
{
    return dialect_string(d, dialect_object(d, o, key, ""), "Data", key);
}

static void simple(struct ses_mail *m, const json_t *v)
{
    struct dialect *d = &m->d;
    json_t *body = dialect_object(d, v, "Body", "Simple");
    struct slice subject = data_of(d, v, "Subject");
    ses_use_texts(m, subject, data_of(d, body, "Text"), data_of(d, body, "Html"));
    (void)dialect_ok(d, "", compose_check_text(subject, COMPOSE_VALUE_MAX, "The subject"));
    if (!m->s.send.nparts) dialect_fault(d, "", ERR_SYNTAX, "The Body has neither Text nor Html.");
    fields(d, v, "Headers", &m->s.send.fields);
    files(d, v, &m->s.send);
}

/* A JSON object that is written in a string, or empty. */
static struct slice template_data(struct dialect *d, const json_t *o, const char *key)
{
    struct slice text = dialect_string(d, o, key, "");
    json_t *v = NULL;
    int e = text.n ? json_read(text, SES_DATA_MEMORY, &v) : 0;
    if (e == ERR_TOO_LONG) dialect_fault(d, "", e, "%s: %s", key, err_text(e));
    else if (text.n && !json_is_object(v))
        dialect_fault(d, "", ERR_SYNTAX, "%s must be a JSON object in a string.", key);
    struct slice s = dialect_dump(d, json_is_object(v) ? v : NULL);
    json_decref(v);
    return s;
}

static void templated(struct ses_mail *m, const json_t *v)
{
    struct dialect *d = &m->d;
    struct slice arn = dialect_string(d, v, "TemplateArn", "Template");
    json_t *here = dialect_object(d, v, "TemplateContent", "Template");
    m->s.send.language = SEND_SES;
    m->s.send.data = template_data(d, v, "TemplateData");
    m->template_name = dialect_string(d, v, "TemplateName", "Template");
    if (!m->template_name.n && arn.n) m->template_name = sl_from(arn, sl_rchr(arn, '/') + 1);
    if (here)
        ses_use_texts(m, dialect_string(d, here, "Subject", ""), dialect_string(d, here, "Text", ""),
                      dialect_string(d, here, "Html", ""));
    else if (!m->template_name.n)
        dialect_fault(d, "", ERR_SYNTAX, "TemplateName or TemplateContent is needed.");
    fields(d, v, "Headers", &m->s.send.fields);
    files(d, v, &m->s.send);
}

/* Recipients of a raw message without a Destination: those that it names. */
static void named_in(struct dialect *d, const struct mail_head *h, struct slice name, struct send_addrs *out)
{
    struct mail_addrs l;
    bool found;
    struct slice body = mail_head_get(&d->a, h, name, &found);
    if (!found) return;
    if (mail_addrs_parse(&d->a, body, &l) != 0 || l.bad || l.n > DESTINATIONS_MAX) {
        dialect_fault(d, ar_cstr(&d->a, name), ERR_SYNTAX, "It is no list of at most %d addresses.",
                      DESTINATIONS_MAX);
        return;
    }
    out->v = ar_array(&d->a, struct send_addr, l.n);
    for (size_t i = 0; i < l.n; i++)
        out->v[out->n++].address = mail_addr_join(&d->a, l.v[i].local, l.v[i].domain);
}

static void raw(struct ses_mail *m, const json_t *v, struct send_letter *l)
{
    struct dialect *d = &m->d;
    struct send *s = &m->s.send;
    struct mail_head h;
    s->raw = dialect_bytes(d, dialect_string(d, v, "Data", "Raw"), "Raw.Data");
    if (!s->raw.n) dialect_fault(d, "Raw", ERR_SYNTAX, "Data is empty.");
    if (mail_head_parse(&d->a, s->raw, &h) != 0) {
        dialect_fault(d, "Raw", ERR_SYNTAX, "Data is no message.");
        return;
    }
    if (!l->to.n && !l->cc.n && !l->bcc.n) {
        named_in(d, &h, SL("To"), &l->to);
        named_in(d, &h, SL("Cc"), &l->cc);
        named_in(d, &h, SL("Bcc"), &l->bcc);
    }
    bool found;
    if (!s->from.address.n) (void)address(d, mail_head_get(&d->a, &h, SL("From"), &found), "From", &s->from);
}

static void common(struct ses_mail *m, const json_t *body)
{
    struct dialect *d = &m->d;
    struct slice from = dialect_string(d, body, "FromEmailAddress", "");
    if (from.n) (void)address(d, from, "FromEmailAddress", &m->s.send.from);
    addresses(d, body, "ReplyToAddresses", "", &m->s.send.reply_to);
    if (dialect_object(d, body, "ListManagementOptions", ""))
        dialect_fault(d, "ListManagementOptions", ERR_UNSUPPORTED, "Contact lists are not supported here.");
}

static void needs_sender(struct ses_mail *m)
{
    if (!m->s.send.from.address.n) dialect_fault(&m->d, "", ERR_SYNTAX, "FromEmailAddress is missing.");
}

void ses_read_one(struct ses_mail *m, const json_t *body)
{
    begin(m);
    struct dialect *d = &m->d;
    struct send_letter *l = ar_new(&d->a, struct send_letter);
    json_t *content = dialect_object(d, body, "Content", ""), *v;
    common(m, body);
    destination(d, body, "", l);
    m->s.send.args = tags(d, body, "EmailTags");
    if ((v = dialect_object(d, content, "Simple", "Content"))) simple(m, v);
    else if ((v = dialect_object(d, content, "Raw", "Content"))) raw(m, v, l);
    else if ((v = dialect_object(d, content, "Template", "Content"))) templated(m, v);
    else dialect_fault(d, "Content", ERR_SYNTAX, "One of Simple, Raw and Template is needed.");
    needs_sender(m);
    if (!l->to.n && !l->cc.n && !l->bcc.n)
        dialect_fault(d, "Destination", ERR_SYNTAX, "There is no recipient.");
    m->s.letter = l;
    m->s.nletters = 1;
}

static void entry(struct dialect *d, const json_t *v, struct send_letter *l)
{
    json_t *other = dialect_object(d, v, "ReplacementEmailContent", "");
    destination(d, v, "", l);
    l->data =
        template_data(d, dialect_object(d, other, "ReplacementTemplate", ""), "ReplacementTemplateData");
    l->args = tags(d, v, "ReplacementTags");
    fields(d, v, "ReplacementHeaders", &l->fields);
    if (!l->to.n && !l->cc.n && !l->bcc.n)
        dialect_fault(d, "Destination", ERR_SYNTAX, "There is no recipient.");
}

void ses_read_bulk(struct ses_mail *m, const json_t *body)
{
    begin(m);
    struct dialect *d = &m->d;
    json_t *content = dialect_object(d, body, "DefaultContent", ""), *v,
           *list = dialect_array(d, body, "BulkEmailEntries", "", ENTRIES_MAX);
    size_t i;
    common(m, body);
    needs_sender(m);
    m->s.send.stream = STREAM_BULK;
    m->s.send.args = tags(d, body, "DefaultEmailTags");
    if ((v = dialect_object(d, content, "Template", "DefaultContent"))) templated(m, v);
    else dialect_fault(d, "DefaultContent", ERR_SYNTAX, "Template is needed.");
    if (!json_array_size(list)) dialect_fault(d, "BulkEmailEntries", ERR_SYNTAX, "There is no entry.");
    m->s.letter = ar_array(&d->a, struct send_letter, json_array_size(list));
    json_array_foreach(list, i, v) entry(d, v, &m->s.letter[m->s.nletters++]);
}
