/* dsn_fr.c - what a delivery report says to people, in French. */
#include "base/civil.h"
#include "dsn_i.h"

static struct slice date(struct arena *a, int64_t t)
{
    struct civil c = civil_from_unix(t);
    return ar_printf(a, "%02d/%02d/%d à %02d:%02d (UTC)", c.day, c.month, c.year, c.hour, c.minute);
}

const struct dsn_language dsn_fr = {
    .tag = "fr",
    .date = date,
    .subject = {[DSN_FAILED] = "Non remis à {}",
                [DSN_DELAYED] = "Pas encore remis à {}",
                [DSN_DELIVERED] = "Remis à {}",
                [DSN_RELAYED] = "Transmis à {}",
                [DSN_EXPANDED] = "Transmis à plusieurs : {}"},
    .recipients = "{} destinataires",
    .intro = "Ceci est un avis du serveur de messagerie {} au sujet d'un message que vous avez envoyé.",
    .arrived = "Il est arrivé ici le {}.",
    .opening = {[DSN_FAILED] = "À {} : le message n'a pas pu être remis.",
                [DSN_DELAYED] = "À {} : le message n'a pas encore été remis ; ce serveur continue d'essayer.",
                [DSN_DELIVERED] = "À {} : le message a été remis.",
                [DSN_RELAYED] =
                    "À {} : le message a été transmis à un serveur qui n'envoie pas lui-même d'avis.",
                [DSN_EXPANDED] = "À {} : le message a été transmis aux membres d'une liste ou d'un alias."},
    .gave_up = "Ce serveur a essayé jusqu'au {}, puis a renoncé.",
    .tries_until =
        "Vous n'avez rien à faire : ce serveur essaie jusqu'au {} et vous préviendra en cas d'échec.",
    .tries = "Vous n'avez rien à faire : vous serez prévenu en cas d'échec.",
    .can = "Ce que vous pouvez faire : {}",
    .said = "Le serveur {} a répondu :",
    .reason = "Raison donnée :",
    .whole = "Le message lui-même est joint.",
    .head = "L'en-tête de votre message est joint.",
    .number = "Son numéro ici est {}.",
    .cause =
        {[DSN_CAUSE_UNKNOWN] =
             {"Le message n'a pas été accepté ; ce qui en est dit ci-dessous est tout ce que l'on sait.",
              "S'il était important, réessayez plus tard ou joignez le destinataire par un autre moyen."},
         [DSN_CAUSE_INVALID] =
             {"Cette adresse n'existe pas sur le serveur du destinataire : c'est l'adresse qui est en cause.",
              "Cherchez une faute de frappe dans la partie qui précède le @. Si elle est juste, la boîte "
              "n'existe pas (ou plus) : demandez au destinataire, par un autre moyen, son adresse actuelle."},
         [DSN_CAUSE_NO_DOMAIN] = {"Aucun serveur de messagerie n'est connu pour le domaine de l'adresse : "
                                  "c'est l'adresse qui est en cause.",
                                  "Cherchez une faute de frappe dans la partie qui suit le @, corrigez-la et "
                                  "renvoyez le message."},
         [DSN_CAUSE_NO_MAIL] = {"Le domaine de l'adresse indique qu'il ne reçoit pas de courrier.",
                                "Utilisez une autre adresse du destinataire."},
         [DSN_CAUSE_BAD_ADDRESS] = {"L'adresse n'est pas écrite comme une adresse doit l'être.",
                                    "Corrigez l'adresse et renvoyez le message."},
         [DSN_CAUSE_INACTIVE] =
             {"La boîte du destinataire est désactivée ou n'est plus utilisée. Seul le destinataire peut y "
              "changer quelque chose.",
              "Joignez le destinataire par un autre moyen et demandez-lui une autre adresse."},
         [DSN_CAUSE_FULL] =
             {"La boîte du destinataire est pleine. Seul le destinataire peut y changer quelque chose.",
              "Demandez au destinataire, par un autre moyen, de faire de la place, puis renvoyez le "
              "message."},
         [DSN_CAUSE_POLICY] = {"Une règle du serveur du destinataire refuse le message ; l'adresse peut très "
                               "bien être juste. Cette règle vient de ceux qui gèrent ce serveur.",
                               "Montrez cet avis au destinataire ou à votre administrateur ; la réponse "
                               "reproduite ci-dessous dit peut-être de quelle règle il s'agit."},
         [DSN_CAUSE_AUTH] =
             {"Le serveur du destinataire n'a pas pu vérifier que le message vient de votre domaine (SPF, "
              "DKIM ou DMARC). C'est la configuration de votre domaine qui est en cause, non l'adresse du "
              "destinataire.",
              "Montrez cet avis à votre administrateur et renvoyez le message quand ce sera corrigé."},
         [DSN_CAUSE_REPUTATION] = {"Le serveur du destinataire se méfie du serveur d'où vient le message : "
                                   "sa réputation est en doute, ou il figure sur une liste de blocage. Cela "
                                   "relève de nous, non de l'adresse du destinataire.",
                                   "Montrez cet avis à votre administrateur ; d'ici là, joignez le "
                                   "destinataire par un autre moyen."},
         [DSN_CAUSE_CONTENT] =
             {"Le serveur du destinataire a pris le message pour indésirable ou dangereux, ou n'a pas pu en "
              "lire le format. C'est le contenu du message qui est en cause, non l'adresse.",
              "Renvoyez-le avec moins de liens et sans pièce jointe suspecte, ou demandez au destinataire, "
              "par un autre moyen, d'autoriser vos messages."},
         [DSN_CAUSE_RATE] =
             {"Le serveur du destinataire a reçu trop de courrier en peu de temps et n'en accepte plus pour "
              "le moment. C'est la quantité qui est en cause, non l'adresse.",
              "Renvoyez le message dans quelques heures et, s'il s'adresse à beaucoup de monde, en plusieurs "
              "fois."},
         [DSN_CAUSE_GREYLIST] =
             {"Le serveur du destinataire demande aux expéditeurs qu'il ne connaît pas de revenir plus tard. "
              "C'est une habitude de ce serveur ; l'adresse n'a rien d'anormal.",
              "Renvoyez le message dans quelques heures, ou joignez le destinataire par un autre moyen."},
         [DSN_CAUSE_SIZE] = {"Le message est trop grand pour le serveur du destinataire : c'est le message "
                             "qui est en cause.",
                             "Envoyez-en moins, ou déposez les gros fichiers là où on peut les télécharger "
                             "et envoyez un lien."},
         [DSN_CAUSE_FORM] = {"Le serveur du destinataire ne peut pas accepter un message de ce format : "
                             "c'est le message qui est en cause.",
                             "Envoyez-le en texte simple ou avec des pièces jointes simples, entre des "
                             "adresses en lettres latines sans accents."},
         [DSN_CAUSE_TLS] = {"Le serveur du destinataire et le nôtre n'ont pas pu s'accorder sur une "
                            "connexion chiffrée. Cela relève des deux serveurs, non de l'adresse.",
                            "Montrez cet avis à votre administrateur ; d'ici là, joignez le destinataire par "
                            "un autre moyen."},
         [DSN_CAUSE_DNS] =
             {"Le serveur du destinataire n'accepte pas la façon dont votre domaine ou notre serveur est "
              "inscrit dans le DNS. Cela relève de nous, non de l'adresse du destinataire.",
              "Montrez cet avis à votre administrateur et renvoyez le message quand ce sera corrigé."},
         [DSN_CAUSE_RELAY] =
             {"Le serveur désigné pour le domaine du destinataire dit qu'il n'accepte pas de courrier pour "
              "ce domaine, ou pas de nous. C'est la configuration des serveurs qui est en cause.",
              "Cherchez une faute de frappe dans la partie qui suit le @. Si elle est juste, prévenez le "
              "destinataire par un autre moyen, ou votre administrateur."},
         [DSN_CAUSE_PROTOCOL] =
             {"Le serveur du destinataire et le nôtre ne se sont pas compris. Cela relève des deux serveurs, "
              "non de l'adresse.",
              "Réessayez plus tard ; si cela se reproduit, montrez cet avis à votre administrateur."},
         [DSN_CAUSE_NETWORK] =
             {"Le serveur du destinataire n'a pas pu être joint, n'a pas répondu à temps, ou la connexion a "
              "été coupée. Cela relève de ce serveur ou du chemin qui y mène.",
              "Cherchez une faute de frappe dans la partie qui suit le @. Si elle est juste, réessayez plus "
              "tard ou joignez le destinataire par un autre moyen."},
         [DSN_CAUSE_TEMPORARY] =
             {"Le serveur du destinataire connaît une panne passagère ; ni l'adresse ni le message n'est en "
              "cause.",
              "Renvoyez le message plus tard, ou joignez le destinataire par un autre moyen."},
         [DSN_CAUSE_LOOP] =
             {"Le message a tourné en rond entre des serveurs. C'est leur configuration qui est en cause.",
              "Prévenez l'administrateur du destinataire ou le vôtre."}},
};
