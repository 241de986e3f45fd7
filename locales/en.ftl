# What pages say in English. The other files in this folder have the same messages with the same arguments.

## Everywhere

language-name = English
skip-to-content = Skip to content
signed-in-as = Signed in as { $name }
request-id = Request id
the-application = the application
continue = Continue
cancel = Cancel
sign-in = Sign in
sign-in-again = Sign in again
sign-out = Sign out
username-or-email = Username or e-mail address
password = Password
go-to-account = Go to your account
open-page-again = Open the page again

## Dates

date-and-time = { $day } { $month } { $year }, { $time } UTC
month-1 = Jan
month-2 = Feb
month-3 = Mar
month-4 = Apr
month-5 = May
month-6 = Jun
month-7 = Jul
month-8 = Aug
month-9 = Sep
month-10 = Oct
month-11 = Nov
month-12 = Dec

## Signing in

login-title = Sign in
login-for = to go on to { $client }
login-for-account = to go on to your account
login-for-device = to connect your device
login-other-account = You are signed in as { $name }. Signing in as somebody else signs that account out in this browser.
login-refused = Username or password is not right, or the account cannot be used.

## Choosing a password

new-password-title = Choose a password
new-password-why = Your present password was set for you. Choose one that only you know, then you can go on.
new-password-present = The password that was set for you
new-password-save = Save and go on
password-title = Change your password
password-effect = Changing it signs you out everywhere else: in other browsers and in all applications.
password-present = Present password
password-save = Change password
password-new = New password
password-new-again = New password once more
password-hint = At least 8 characters. A few words that only you would put together are better than signs that are hard to type.
password-wrong = This is not the password.
password-differs = The two entries of the new password differ.
password-weak-length = The new password must have 8 to 256 characters.
password-weak-control = The new password must not contain control characters.
password-weak-guessable = The new password is commonly used or easily guessed.
password-weak-same = The new password must be another one than before.
password-row-of-keys = Straight rows of keys are easy to guess.
password-key-pattern = Short keyboard patterns are easy to guess.
password-repeated-letter = Repeats like “aaa” are easy to guess.
password-repeated-part = Repeats like “abcabcabc” are only slightly harder to guess than “abc”.
password-top-10 = It is among the ten most common passwords.
password-top-100 = It is among the hundred most common passwords.
password-common = It is a very common password.
password-similar-to-common = It is similar to a commonly used password.
password-sequence = Sequences like “abc” or “6543” are easy to guess.
password-recent-year = Recent years are easy to guess.
password-single-word = A word by itself is easy to guess.
password-date = Dates are often easy to guess.
password-name = Names by themselves are easy to guess.
password-common-name = Common names are easy to guess.
password-use-words = Use a few words, but no common phrase.
password-no-need-for-symbols = Symbols, digits or capital letters are not needed.
password-add-word = Add another word or two. Uncommon words are better.
password-capitals-help-little = Capital letters do not help very much.
password-all-capitals = All capitals are almost as easy to guess as all small letters.
password-reversed = Reversed words are not much harder to guess.
password-substitution = Predictable substitutions like “@” for “a” do not help very much.
password-longer-pattern = Use a longer keyboard pattern with more turns.
password-avoid-repeats = Avoid repeated words and characters.
password-avoid-sequences = Avoid sequences.
password-avoid-recent-years = Avoid recent years.
password-avoid-own-years = Avoid years that have to do with you.
password-avoid-own-dates = Avoid dates and years that have to do with you.

## Consent

consent-title = Give { $client } access?
consent-asks = { $client } would like to:
consent-goes-back-to = Then goes to
consent-app-on-device = an app on this device ({ $scheme })
consent-home-page = Home page
consent-terms-of-service = Terms of service
consent-privacy-policy = Privacy policy
consent-unverifiable = This is an app on your device, and no one can check that it is the one it says it is. Go on only if you started it yourself just now.
consent-unchecked = This application registered itself here, and nobody has checked who runs it. Go on only if you know it.
consent-allow = Allow
consent-deny = Deny
consent-withdraw = You can withdraw this at any time in your account.
consent-other-account = Use another account
consent-nothing-title = No application is asking
consent-nothing-advice = This page appears when an application asks for access to your account. Start in the application.

## Connecting a device

device-title = Connect a device
device-type = Type the code that your device shows.
device-code = Code
device-code-missing = Type the code that your device shows.
device-code-wrong = This code is not right or no longer valid. Look at your device again.
device-prefilled = The code came with the link. Go on only if it is the one that your own device shows now.
device-approval-title = Connect a device to { $client }?
device-approval-asks = A device asks to use { $client } in your name. It shows this code:
device-approval-question = Is this the code on your device, and did you begin this yourself just now?
device-approval-warning = If somebody sent you the code or a link, deny: whoever began this gets access to your account.
device-approval-may = The device will be able to:
device-approval-asked-at = Asked at
device-approval-device = Device
device-approval-address = Address
device-allowed-title = Your device is connected
device-allowed = { $client } goes on by itself on your device. You can close this page.
device-denied-title = The device was not connected
device-denied = { $client } got no access to your account. You can close this page.
device-forbidden-title = You cannot give this
device-forbidden = The device asks for { $scope }, which none of your roles allows. Nothing was granted.
device-over-title = This code is no longer valid
device-over = It was answered already, has expired, or was typed in another browser. Look at your device: it goes on, or shows a new code.
device-type-another = Type a code

## What scopes mean

scope-openid = Know who you are when you sign in
scope-profile = See your name, picture and the rest of your profile
scope-email = See your e-mail address
scope-address = See your postal address
scope-phone = See your phone number
scope-roles = See which roles you have
scope-offline_access = Act for you also while you are not using it
scope-admin = Administer this service on your behalf ({ $scope })

## Going from page to page

expired-title = This page has expired
expired-advice = Signing in to an application has to be finished within 30 minutes and in the browser where it was begun. Go back to the application and start again.
go-on-title = One moment
go-on-detail = You are being taken to the next page.
form-post-title = Back to the application
form-post-detail = You are being taken back to { $host }. If nothing happens, press the button.

## The own account

account-title = Your account
account-profile = Profile
account-username = Username
account-name = Name
account-given-name = Given name
account-family-name = Family name
account-email = E-mail
account-phone = Phone
account-roles = Roles
account-password-set = Set { $time }
account-edit = Edit
account-change-password = Change password
account-sessions = Where you are signed in
account-sessions-lead = If you do not know one of these, sign it out and change your password.
account-this-browser = this browser
account-signed-in-at = signed in { $time }
account-last-seen = last seen { $time }
account-applications = Applications with access
account-applications-lead = What you have agreed to. Without access, an application has to ask you again.
account-may = What it may do
account-no-applications = You have given no application access to your account.
account-since = since { $time }
account-until = until { $time } at most
account-withdraw = Withdraw access
account-grants = Applications that are signed in
account-grants-lead = Signing one out ends what it can do for you at once.
account-offline = also while you are away
account-password-changed = Your password is changed. You are signed out everywhere else.
account-profile-changed = Your profile is changed.
account-session-ended = The session has ended.
account-grant-ended = The application is signed out.
account-consent-withdrawn = The application has no access to your account any more.
device-browser-on-system = { $browser } on { $system }
device-unknown = Unknown device

## Editing the own profile

profile-title = Your profile
profile-lead = Applications to which you gave access may see this.
profile-save = Save
profile-stale = Your profile was changed elsewhere in the meantime. Look at it again, then save.
profile-nickname = Nickname
profile-birthdate = Date of birth
profile-website = Website
profile-zoneinfo = Time zone
profile-locale = Language
profile-locale-of-browser = As in your browser
profile-name-rule = At most 200 characters on one line, without < and >.
profile-phone-rule = An international number, such as +49 30 123456.
profile-birthdate-rule = Year, month and day, such as 1990-02-28.
profile-website-rule = An address that begins with https:// or http://.
profile-zoneinfo-rule = The name of a time zone, such as Europe/Berlin.
profile-locale-rule = A language tag, such as en-GB.

## Signing out

logout-title = Sign out?
logout-asked-by = { $client } would like to sign you out.
logout-effect = Signing out ends your session in this browser, and with it applications that rest on it.
logout-stay = Stay signed in
logout-done-title = You are signed out
logout-done = Your session in this browser has ended.
logout-telling = The applications that you used are being signed out, too.
logout-unknown-application = The request does not show which application it comes from: its id_token_hint is not valid here. You will not be taken back.
logout-unknown-address = The address to go back to (post_logout_redirect_uri) is not registered, or no id_token_hint shows for which application. You will not be taken back.

## Forms that are refused

form-elsewhere-title = This form was sent from elsewhere
form-elsewhere-advice = Forms of this service are taken only from its own pages. Nothing was changed.
form-cookies-title = Cookies are needed
form-cookies-advice = Your browser sent no cookie, and without one this service cannot tell whose form this is. Allow cookies for this site, then open the page again.
form-outdated-title = This form is out of date
form-outdated-advice = It was made for another browser, account or purpose, or too long ago. Nothing was changed: open the page again and repeat what you wanted to do.

## Errors

error-status = Status
error-technical = For developers
error-help = If this keeps happening, tell the operator of this service and give the request id.
error-400-title = This does not work
error-400-advice = What your browser asked for cannot be understood. Go back and start again.
error-403-title = This is not allowed
error-403-advice = You may not do this here.
error-404-title = There is nothing here
error-404-advice = The address may be mistyped, or the page is gone.
error-429-title = Too many requests
error-429-advice =
    Please try again in { $minutes ->
        [one] a minute
       *[other] { $minutes } minutes
    }.
error-500-title = Something went wrong
error-500-advice = This is our fault, not yours. Please try again; the request id helps the operator to find out why.
error-503-title = We cannot answer right now
error-503-advice = Please try again in a moment.
error-attempts-title = Too many login attempts, please try again later
error-attempts-advice =
    For safety, nobody can sign in from here for the next { $minutes ->
        [one] minute
       *[other] { $minutes } minutes
    }.
error-sign-in-title = This sign-in cannot go on
error-sign-in-advice = The application that sent you here made a mistake. Go back to it and try again, or tell those who run it.
error-sign-in-expired-advice = It has expired or was begun in another browser. Go back to the application and start again.
error-sign-in-done-advice = It has been completed already. Go back to the application and start again.

## What the deployment keeps about people
attributes-title = More about you
attributes-save = Save
attributes-back = Back to your account
attributes-changed = Your changes are saved.
attributes-stale = Your account was changed meanwhile. Look at it again, then save.
attributes-lines = One per line.
attributes-yes = Yes
attributes-no = No
attributes-rule-choice = Choose one of the values.
attributes-rule-number = This must be a number from { $minimum } to { $maximum }.
attributes-rule-number-least = This must be a number, { $minimum } or more.
attributes-rule-number-most = This must be a number, { $maximum } at most.
attributes-rule-number-any = This must be a number.
attributes-rule-text = This must have 1 to { $most } characters, without < and >.
attributes-rule-texts = These must be at most { $entries } different lines of 1 to { $most } characters, without < and >.
attributes-rule-values = Each line must be one of: { $values }.
