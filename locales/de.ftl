# Was die Seiten auf Deutsch sagen.

## Überall

language-name = Deutsch
skip-to-content = Zum Inhalt springen
signed-in-as = Angemeldet als { $name }
request-id = Vorgangsnummer
the-application = die Anwendung
continue = Weiter
cancel = Abbrechen
sign-in = Anmelden
sign-in-again = Neu anmelden
sign-out = Abmelden
username-or-email = Benutzername oder E-Mail-Adresse
password = Passwort
go-to-account = Zu Ihrem Konto
open-page-again = Seite neu öffnen

## Datum und Uhrzeit

date-and-time = { $day }. { $month } { $year }, { $time } UTC
month-1 = Januar
month-2 = Februar
month-3 = März
month-4 = April
month-5 = Mai
month-6 = Juni
month-7 = Juli
month-8 = August
month-9 = September
month-10 = Oktober
month-11 = November
month-12 = Dezember

## Anmelden

login-title = Anmelden
login-for = weiter zu { $client }
login-for-account = weiter zu Ihrem Konto
login-for-device = um Ihr Gerät zu verbinden
login-other-account = Sie sind als { $name } angemeldet. Wenn Sie sich mit einem anderen Konto anmelden, wird dieses in diesem Browser abgemeldet.
login-refused = Benutzername oder Passwort stimmt nicht, oder das Konto kann nicht verwendet werden.

## Passwort wählen

new-password-title = Passwort wählen
new-password-why = Ihr jetziges Passwort wurde für Sie festgelegt. Wählen Sie eines, das nur Sie kennen; dann geht es weiter.
new-password-present = Das für Sie festgelegte Passwort
new-password-save = Speichern und weiter
password-title = Passwort ändern
password-effect = Damit werden Sie überall sonst abgemeldet: in anderen Browsern und in allen Anwendungen.
password-present = Jetziges Passwort
password-save = Passwort ändern
password-new = Neues Passwort
password-new-again = Neues Passwort noch einmal
password-hint = Mindestens 8 Zeichen. Ein paar Wörter, die nur Sie zusammenstellen würden, sind besser als Zeichen, die schwer zu tippen sind.
password-wrong = Das ist nicht das Passwort.
password-differs = Die beiden Eingaben des neuen Passworts sind verschieden.
password-weak-length = Das neue Passwort muss 8 bis 256 Zeichen haben.
password-weak-control = Das neue Passwort darf keine Steuerzeichen enthalten.
password-weak-guessable = Das neue Passwort ist sehr verbreitet oder leicht zu erraten.
password-weak-same = Das neue Passwort muss ein anderes sein als das bisherige.
password-row-of-keys = Gerade Tastenreihen sind leicht zu erraten.
password-key-pattern = Kurze Tastaturmuster sind leicht zu erraten.
password-repeated-letter = Wiederholungen wie „aaa“ sind leicht zu erraten.
password-repeated-part = Wiederholungen wie „abcabcabc“ sind kaum schwerer zu erraten als „abc“.
password-top-10 = Es gehört zu den zehn häufigsten Passwörtern.
password-top-100 = Es gehört zu den hundert häufigsten Passwörtern.
password-common = Es ist ein sehr häufiges Passwort.
password-similar-to-common = Es ähnelt einem häufigen Passwort.
password-sequence = Folgen wie „abc“ oder „6543“ sind leicht zu erraten.
password-recent-year = Jahreszahlen der letzten Zeit sind leicht zu erraten.
password-single-word = Ein einzelnes Wort ist leicht zu erraten.
password-date = Datumsangaben sind oft leicht zu erraten.
password-name = Namen allein sind leicht zu erraten.
password-common-name = Häufige Namen sind leicht zu erraten.
password-use-words = Nehmen Sie ein paar Wörter, aber keine gängige Redewendung.
password-no-need-for-symbols = Sonderzeichen, Ziffern oder Großbuchstaben sind nicht nötig.
password-add-word = Fügen Sie ein oder zwei Wörter hinzu. Seltene Wörter sind besser.
password-capitals-help-little = Großbuchstaben helfen nicht viel.
password-all-capitals = Nur Großbuchstaben sind fast so leicht zu erraten wie nur Kleinbuchstaben.
password-reversed = Umgedrehte Wörter sind nicht viel schwerer zu erraten.
password-substitution = Vorhersehbare Ersetzungen wie „@“ für „a“ helfen nicht viel.
password-longer-pattern = Nehmen Sie ein längeres Tastaturmuster mit mehr Richtungswechseln.
password-avoid-repeats = Vermeiden Sie wiederholte Wörter und Zeichen.
password-avoid-sequences = Vermeiden Sie Zeichenfolgen.
password-avoid-recent-years = Vermeiden Sie Jahreszahlen der letzten Zeit.
password-avoid-own-years = Vermeiden Sie Jahreszahlen, die mit Ihnen zu tun haben.
password-avoid-own-dates = Vermeiden Sie Daten und Jahreszahlen, die mit Ihnen zu tun haben.

## Zustimmung

consent-title = { $client } Zugriff geben?
consent-asks = { $client } möchte:
consent-goes-back-to = Danach geht es zu
consent-app-on-device = eine App auf diesem Gerät ({ $scheme })
consent-home-page = Website
consent-terms-of-service = Nutzungsbedingungen
consent-privacy-policy = Datenschutzerklärung
consent-unverifiable = Das ist eine App auf Ihrem Gerät, und niemand kann prüfen, ob sie wirklich die ist, für die sie sich ausgibt. Fahren Sie nur fort, wenn Sie sie eben selbst gestartet haben.
consent-unchecked = Diese Anwendung hat sich hier selbst registriert, und niemand hat geprüft, wer sie betreibt. Fahren Sie nur fort, wenn Sie sie kennen.
consent-allow = Erlauben
consent-deny = Ablehnen
consent-withdraw = Sie können das in Ihrem Konto jederzeit widerrufen.
consent-other-account = Anderes Konto verwenden
consent-nothing-title = Keine Anwendung fragt an
consent-nothing-advice = Diese Seite erscheint, wenn eine Anwendung Zugriff auf Ihr Konto möchte. Beginnen Sie in der Anwendung.

## Gerät verbinden

device-title = Gerät verbinden
device-type = Geben Sie den Code ein, den Ihr Gerät anzeigt.
device-code = Code
device-code-missing = Geben Sie den Code ein, den Ihr Gerät anzeigt.
device-code-wrong = Dieser Code stimmt nicht oder gilt nicht mehr. Sehen Sie noch einmal auf Ihr Gerät.
device-prefilled = Der Code kam mit dem Link. Fahren Sie nur fort, wenn es der ist, den Ihr eigenes Gerät jetzt anzeigt.
device-approval-title = Gerät mit { $client } verbinden?
device-approval-asks = Ein Gerät möchte { $client } in Ihrem Namen verwenden. Es zeigt diesen Code an:
device-approval-question = Ist das der Code auf Ihrem Gerät, und haben Sie das eben selbst begonnen?
device-approval-warning = Wenn Ihnen jemand den Code oder einen Link geschickt hat, lehnen Sie ab: Wer das begonnen hat, bekommt Zugriff auf Ihr Konto.
device-approval-may = Das Gerät darf dann:
device-approval-asked-at = Angefragt am
device-approval-device = Gerät
device-approval-address = Adresse
device-allowed-title = Ihr Gerät ist verbunden
device-allowed = { $client } macht auf Ihrem Gerät von selbst weiter. Sie können diese Seite schließen.
device-denied-title = Das Gerät wurde nicht verbunden
device-denied = { $client } hat keinen Zugriff auf Ihr Konto bekommen. Sie können diese Seite schließen.
device-forbidden-title = Das können Sie nicht erlauben
device-forbidden = Das Gerät bittet um { $scope }, was keine Ihrer Rollen erlaubt. Es wurde nichts erlaubt.
device-over-title = Dieser Code gilt nicht mehr
device-over = Er wurde schon beantwortet, ist abgelaufen oder wurde in einem anderen Browser eingegeben. Sehen Sie auf Ihr Gerät: Es macht weiter oder zeigt einen neuen Code an.
device-type-another = Code eingeben

## Was Berechtigungen bedeuten

scope-openid = Bei der Anmeldung erfahren, wer Sie sind
scope-profile = Ihren Namen, Ihr Bild und den Rest Ihres Profils sehen
scope-email = Ihre E-Mail-Adresse sehen
scope-address = Ihre Postanschrift sehen
scope-phone = Ihre Telefonnummer sehen
scope-roles = Sehen, welche Rollen Sie haben
scope-offline_access = Auch dann für Sie handeln, wenn Sie die Anwendung gerade nicht benutzen
scope-admin = In Ihrem Namen diesen Dienst verwalten ({ $scope })

## Von Seite zu Seite

expired-title = Diese Seite ist abgelaufen
expired-advice = Die Anmeldung bei einer Anwendung muss innerhalb von 30 Minuten abgeschlossen werden, und zwar in dem Browser, in dem sie begonnen wurde. Gehen Sie zur Anwendung zurück und beginnen Sie neu.
go-on-title = Einen Moment
go-on-detail = Sie werden zur nächsten Seite gebracht.
form-post-title = Zurück zur Anwendung
form-post-detail = Sie werden zu { $host } zurückgebracht. Wenn nichts passiert, drücken Sie auf „Weiter“.

## Das eigene Konto

account-title = Ihr Konto
account-profile = Profil
account-username = Benutzername
account-name = Name
account-given-name = Vorname
account-family-name = Nachname
account-email = E-Mail
account-phone = Telefon
account-roles = Rollen
account-password-set = Gesetzt am { $time }
account-edit = Bearbeiten
account-change-password = Passwort ändern
account-sessions = Wo Sie angemeldet sind
account-sessions-lead = Wenn Sie eine davon nicht kennen, melden Sie sie ab und ändern Sie Ihr Passwort.
account-this-browser = dieser Browser
account-signed-in-at = angemeldet am { $time }
account-last-seen = zuletzt gesehen am { $time }
account-applications = Anwendungen mit Zugriff
account-applications-lead = Dem haben Sie zugestimmt. Ohne Zugriff muss eine Anwendung Sie neu fragen.
account-may = Was sie darf
account-no-applications = Sie haben keiner Anwendung Zugriff auf Ihr Konto gegeben.
account-since = seit { $time }
account-until = längstens bis { $time }
account-withdraw = Zugriff widerrufen
account-grants = Anwendungen, bei denen Sie angemeldet sind
account-grants-lead = Wenn Sie eine abmelden, kann sie sofort nichts mehr für Sie tun.
account-offline = auch wenn Sie nicht da sind
account-password-changed = Ihr Passwort ist geändert. Überall sonst sind Sie abgemeldet.
account-profile-changed = Ihr Profil ist geändert.
account-session-ended = Die Sitzung ist beendet.
account-grant-ended = Die Anwendung ist abgemeldet.
account-consent-withdrawn = Die Anwendung hat keinen Zugriff mehr auf Ihr Konto.
device-browser-on-system = { $browser } auf { $system }
device-unknown = Unbekanntes Gerät

## Das eigene Profil bearbeiten

profile-title = Ihr Profil
profile-lead = Anwendungen, denen Sie Zugriff gegeben haben, können das sehen.
profile-save = Speichern
profile-stale = Ihr Profil wurde inzwischen anderswo geändert. Sehen Sie es noch einmal durch und speichern Sie dann.
profile-nickname = Spitzname
profile-birthdate = Geburtsdatum
profile-website = Website
profile-zoneinfo = Zeitzone
profile-locale = Sprache
profile-locale-of-browser = Wie im Browser
profile-name-rule = Höchstens 200 Zeichen in einer Zeile, ohne < und >.
profile-phone-rule = Eine internationale Nummer, etwa +49 30 123456.
profile-birthdate-rule = Jahr, Monat und Tag, etwa 1990-02-28.
profile-website-rule = Eine Adresse, die mit https:// oder http:// beginnt.
profile-zoneinfo-rule = Der Name einer Zeitzone, etwa Europe/Berlin.
profile-locale-rule = Ein Sprachkürzel, etwa de-AT.

## Abmelden

logout-title = Abmelden?
logout-asked-by = { $client } möchte Sie abmelden.
logout-effect = Damit endet Ihre Sitzung in diesem Browser, und mit ihr enden Anwendungen, die auf ihr beruhen.
logout-stay = Angemeldet bleiben
logout-done-title = Sie sind abgemeldet
logout-done = Ihre Sitzung in diesem Browser ist beendet.
logout-telling = Die Anwendungen, die Sie benutzt haben, werden ebenfalls abgemeldet.
logout-unknown-application = Die Anfrage zeigt nicht, von welcher Anwendung sie kommt: Ihr id_token_hint gilt hier nicht. Sie werden nicht zurückgebracht.
logout-unknown-address = Die Adresse für den Rückweg (post_logout_redirect_uri) ist nicht registriert, oder kein id_token_hint zeigt, für welche Anwendung. Sie werden nicht zurückgebracht.

## Abgelehnte Formulare

form-elsewhere-title = Dieses Formular kam von anderswo
form-elsewhere-advice = Formulare dieses Dienstes werden nur von seinen eigenen Seiten angenommen. Es wurde nichts geändert.
form-cookies-title = Cookies werden gebraucht
form-cookies-advice = Ihr Browser hat kein Cookie gesendet, und ohne eines kann dieser Dienst nicht wissen, wessen Formular das ist. Erlauben Sie Cookies für diese Website und öffnen Sie die Seite dann neu.
form-outdated-title = Dieses Formular ist veraltet
form-outdated-advice = Es wurde für einen anderen Browser, ein anderes Konto oder einen anderen Zweck erstellt oder ist zu alt. Es wurde nichts geändert: Öffnen Sie die Seite neu und wiederholen Sie, was Sie tun wollten.

## Fehler

error-status = Status
error-technical = Für Entwickler
error-help = Wenn das immer wieder passiert, wenden Sie sich an den Betreiber dieses Dienstes und nennen Sie die Vorgangsnummer.
error-400-title = So geht es nicht
error-400-advice = Was Ihr Browser verlangt hat, ist nicht verständlich. Gehen Sie zurück und beginnen Sie neu.
error-403-title = Das ist nicht erlaubt
error-403-advice = Sie dürfen das hier nicht tun.
error-404-title = Hier ist nichts
error-404-advice = Vielleicht ist die Adresse falsch geschrieben, oder es gibt die Seite nicht mehr.
error-429-title = Zu viele Anfragen
error-429-advice =
    Bitte versuchen Sie es in { $minutes ->
        [one] einer Minute
       *[other] { $minutes } Minuten
    } noch einmal.
error-500-title = Etwas ist schiefgegangen
error-500-advice = Das ist unser Fehler, nicht Ihrer. Bitte versuchen Sie es noch einmal; mit der Vorgangsnummer kann der Betreiber den Grund finden.
error-503-title = Wir können gerade nicht antworten
error-503-advice = Bitte versuchen Sie es gleich noch einmal.
error-attempts-title = Zu viele Anmeldeversuche, bitte versuchen Sie es später noch einmal
error-attempts-advice =
    Zur Sicherheit kann sich von hier aus in { $minutes ->
        [one] der nächsten Minute
       *[other] den nächsten { $minutes } Minuten
    } niemand anmelden.
error-sign-in-title = Diese Anmeldung kann nicht weitergehen
error-sign-in-advice = Die Anwendung, die Sie hierher geschickt hat, hat einen Fehler gemacht. Gehen Sie zu ihr zurück und versuchen Sie es noch einmal, oder sagen Sie denen Bescheid, die sie betreiben.
error-sign-in-expired-advice = Sie ist abgelaufen oder wurde in einem anderen Browser begonnen. Gehen Sie zur Anwendung zurück und beginnen Sie neu.
error-sign-in-done-advice = Sie ist schon abgeschlossen. Gehen Sie zur Anwendung zurück und beginnen Sie neu.

## What the deployment keeps about people
attributes-title = Mehr über Sie
attributes-save = Speichern
attributes-back = Zurück zu Ihrem Konto
attributes-changed = Ihre Änderungen sind gespeichert.
attributes-stale = Ihr Konto wurde inzwischen geändert. Sehen Sie es noch einmal an und speichern Sie dann.
attributes-lines = Eine Angabe je Zeile.
attributes-yes = Ja
attributes-no = Nein
attributes-rule-choice = Wählen Sie einen der Werte.
attributes-rule-number = Das muss eine Zahl von { $minimum } bis { $maximum } sein.
attributes-rule-number-least = Das muss eine Zahl sein, mindestens { $minimum }.
attributes-rule-number-most = Das muss eine Zahl sein, höchstens { $maximum }.
attributes-rule-number-any = Das muss eine Zahl sein.
attributes-rule-text = Das muss 1 bis { $most } Zeichen haben, ohne < und >.
attributes-rule-texts = Das müssen höchstens { $entries } verschiedene Zeilen mit 1 bis { $most } Zeichen sein, ohne < und >.
attributes-rule-values = Jede Zeile muss eine von diesen sein: { $values }.
