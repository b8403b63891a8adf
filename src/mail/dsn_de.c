/* dsn_de.c - what a delivery report says to people, in German. */
#include "base/civil.h"
#include "dsn_i.h"

static struct slice date(struct arena *a, int64_t t)
{
    struct civil c = civil_from_unix(t);
    return ar_printf(a, "%d.%d.%d, %02d:%02d Uhr (UTC)", c.day, c.month, c.year, c.hour, c.minute);
}

const struct dsn_language dsn_de = {
    .tag = "de",
    .date = date,
    .subject = {[DSN_FAILED] = "Nicht zugestellt an {}",
                [DSN_DELAYED] = "Noch nicht zugestellt an {}",
                [DSN_DELIVERED] = "Zugestellt an {}",
                [DSN_RELAYED] = "Weitergeleitet an {}",
                [DSN_EXPANDED] = "An mehrere weitergeleitet: {}"},
    .recipients = "{} Empfänger",
    .intro = "Hier ist der Mailserver {}; es geht um eine Nachricht, die Sie gesendet haben.",
    .arrived = "Sie kam hier am {} an.",
    .opening =
        {[DSN_FAILED] = "An {}: Die Nachricht konnte nicht zugestellt werden.",
         [DSN_DELAYED] = "An {}: Die Nachricht ist noch nicht zugestellt; dieser Server versucht es weiter.",
         [DSN_DELIVERED] = "An {}: Die Nachricht wurde zugestellt.",
         [DSN_RELAYED] =
             "An {}: Die Nachricht wurde an einen Server weitergegeben, der selbst keine Berichte sendet.",
         [DSN_EXPANDED] =
             "An {}: Die Nachricht wurde an die Mitglieder einer Liste oder eines Alias weitergegeben."},
    .gave_up = "Dieser Server hat es bis zum {} versucht und dann aufgegeben.",
    .tries_until = "Sie brauchen nichts zu tun: Dieser Server versucht es bis zum {} und meldet sich, wenn "
                   "es nicht gelingt.",
    .tries = "Sie brauchen nichts zu tun: Sie erfahren es, wenn es nicht gelingt.",
    .can = "Was Sie tun können: {}",
    .said = "Der Server {} hat geantwortet:",
    .reason = "Als Grund wurde angegeben:",
    .whole = "Die Nachricht selbst ist angehängt.",
    .head = "Der Kopf Ihrer Nachricht ist angehängt.",
    .number = "Ihre Nummer hier ist {}.",
    .cause =
        {[DSN_CAUSE_UNKNOWN] =
             {"Die Nachricht wurde nicht angenommen; mehr, als unten darüber steht, ist nicht bekannt.",
              "War sie wichtig, versuchen Sie es später noch einmal oder erreichen Sie den Empfänger auf "
              "anderem Weg."},
         [DSN_CAUSE_INVALID] =
             {"Diese Adresse gibt es auf dem Server des Empfängers nicht: Es liegt an der Adresse.",
              "Prüfen Sie den Teil vor dem @ auf Tippfehler. Ist er richtig, gibt es das Postfach nicht "
              "(mehr): Fragen Sie den Empfänger auf anderem Weg nach der jetzigen Adresse."},
         [DSN_CAUSE_NO_DOMAIN] =
             {"Für die Domain der Adresse ist kein Mailserver bekannt: Es liegt an der Adresse.",
              "Prüfen Sie den Teil nach dem @ auf Tippfehler, berichtigen Sie ihn und senden Sie die "
              "Nachricht noch einmal."},
         [DSN_CAUSE_NO_MAIL] = {"Die Domain der Adresse gibt an, dass sie keine E-Mail empfängt.",
                                "Verwenden Sie eine andere Adresse des Empfängers."},
         [DSN_CAUSE_BAD_ADDRESS] = {"Die Adresse ist nicht so geschrieben, wie eine Adresse aussehen muss.",
                                    "Berichtigen Sie die Adresse und senden Sie die Nachricht noch einmal."},
         [DSN_CAUSE_INACTIVE] =
             {"Das Postfach des Empfängers ist abgeschaltet oder wird nicht mehr benutzt. Das kann nur der "
              "Empfänger ändern.",
              "Erreichen Sie den Empfänger auf anderem Weg und fragen Sie nach einer anderen Adresse."},
         [DSN_CAUSE_FULL] = {"Das Postfach des Empfängers ist voll. Das kann nur der Empfänger ändern.",
                             "Bitten Sie den Empfänger auf anderem Weg, Platz zu schaffen, und senden Sie "
                             "die Nachricht dann noch einmal."},
         [DSN_CAUSE_POLICY] = {"Eine Regel des Empfängerservers weist die Nachricht ab; die Adresse kann "
                               "trotzdem richtig sein. Die Regel stammt von den Betreibern jenes Servers.",
                               "Zeigen Sie diesen Bericht dem Empfänger oder Ihrem Mailadministrator; die "
                               "Antwort weiter unten sagt vielleicht, welche Regel es ist."},
         [DSN_CAUSE_AUTH] = {"Der Server des Empfängers konnte nicht nachprüfen, dass die Nachricht von "
                             "Ihrer Domain kommt (SPF, DKIM oder DMARC). Es liegt daran, wie Ihre Domain "
                             "eingerichtet ist, nicht an der Adresse des Empfängers.",
                             "Zeigen Sie diesen Bericht Ihrem Mailadministrator und senden Sie die Nachricht "
                             "noch einmal, wenn das behoben ist."},
         [DSN_CAUSE_REPUTATION] = {"Der Server des Empfängers misstraut dem Server, von dem die Nachricht "
                                   "kam: Sein Ruf ist zweifelhaft, oder er steht auf einer Sperrliste. Das "
                                   "ist Sache unserer Seite und liegt nicht an der Adresse des Empfängers.",
                                   "Zeigen Sie diesen Bericht Ihrem Mailadministrator; erreichen Sie den "
                                   "Empfänger bis dahin auf anderem Weg."},
         [DSN_CAUSE_CONTENT] =
             {"Der Server des Empfängers hielt die Nachricht für Spam oder für schädlich oder konnte ihr "
              "Format nicht lesen. Es liegt am Inhalt der Nachricht, nicht an der Adresse.",
              "Senden Sie sie noch einmal mit weniger Links und ohne verdächtige Anhänge, oder bitten Sie "
              "den Empfänger auf anderem Weg, Ihre Nachrichten zuzulassen."},
         [DSN_CAUSE_RATE] = {"Der Server des Empfängers hat in kurzer Zeit zu viel E-Mail bekommen und nimmt "
                             "vorerst keine mehr an. Es liegt an der Menge, nicht an der Adresse.",
                             "Senden Sie die Nachricht in einigen Stunden noch einmal, eine an viele "
                             "Empfänger in kleineren Teilen."},
         [DSN_CAUSE_GREYLIST] =
             {"Der Server des Empfängers bittet unbekannte Absender, später wiederzukommen. Das ist eine "
              "Gewohnheit jenes Servers, mit der Adresse ist alles in Ordnung.",
              "Senden Sie die Nachricht in einigen Stunden noch einmal, oder erreichen Sie den Empfänger auf "
              "anderem Weg."},
         [DSN_CAUSE_SIZE] =
             {"Die Nachricht ist zu groß für den Server des Empfängers: Es liegt an der Nachricht.",
              "Senden Sie weniger, oder legen Sie große Dateien zum Herunterladen ab und senden Sie einen "
              "Link."},
         [DSN_CAUSE_FORM] = {"Der Server des Empfängers kann eine Nachricht in diesem Format nicht annehmen: "
                             "Es liegt an der Nachricht.",
                             "Senden Sie sie als reinen Text oder mit einfachen Anhängen, von und an "
                             "Adressen nur aus lateinischen Buchstaben ohne Umlaute."},
         [DSN_CAUSE_TLS] =
             {"Der Server des Empfängers und unserer konnten sich nicht auf eine verschlüsselte Verbindung "
              "einigen. Das ist Sache der beiden Server und liegt nicht an der Adresse.",
              "Zeigen Sie diesen Bericht Ihrem Mailadministrator; erreichen Sie den Empfänger bis dahin auf "
              "anderem Weg."},
         [DSN_CAUSE_DNS] =
             {"Der Server des Empfängers beanstandet, wie Ihre Domain oder unser Server im DNS eingetragen "
              "ist. Das ist Sache unserer Seite und liegt nicht an der Adresse des Empfängers.",
              "Zeigen Sie diesen Bericht Ihrem Mailadministrator und senden Sie die Nachricht noch einmal, "
              "wenn das behoben ist."},
         [DSN_CAUSE_RELAY] = {"Der Server, der für die Domain des Empfängers eingetragen ist, nimmt nach "
                              "eigener Angabe keine E-Mail für diese Domain an, oder keine von uns. Es liegt "
                              "daran, wie die Server eingerichtet sind.",
                              "Prüfen Sie den Teil nach dem @ auf Tippfehler. Ist er richtig, sagen Sie es "
                              "dem Empfänger auf anderem Weg oder Ihrem Mailadministrator."},
         [DSN_CAUSE_PROTOCOL] = {"Der Server des Empfängers und unserer haben einander nicht verstanden. Das "
                                 "ist Sache der beiden Server und liegt nicht an der Adresse.",
                                 "Versuchen Sie es später noch einmal; geschieht es wieder, zeigen Sie "
                                 "diesen Bericht Ihrem Mailadministrator."},
         [DSN_CAUSE_NETWORK] =
             {"Der Server des Empfängers war nicht zu erreichen, hat nicht rechtzeitig geantwortet, oder die "
              "Verbindung brach ab. Es liegt an jenem Server oder am Weg dorthin.",
              "Prüfen Sie den Teil nach dem @ auf Tippfehler. Ist er richtig, versuchen Sie es später noch "
              "einmal oder erreichen Sie den Empfänger auf anderem Weg."},
         [DSN_CAUSE_TEMPORARY] = {"Der Server des Empfängers hat eine eigene Störung; weder die Adresse noch "
                                  "die Nachricht ist schuld.",
                                  "Senden Sie die Nachricht später noch einmal, oder erreichen Sie den "
                                  "Empfänger auf anderem Weg."},
         [DSN_CAUSE_LOOP] =
             {"Die Nachricht lief zwischen Servern im Kreis. Es liegt daran, wie sie eingerichtet sind.",
              "Sagen Sie es dem Mailadministrator des Empfängers oder Ihrem eigenen."}},
};
