// The texts of the join page that scripts put there.
var textDirection = "ltr";
var msgBadMeetingURL = "It leads to no conference here. It may be incomplete, or the conference may be over.";
var txt_logoLabel = "Join the conference";
var txt_languageSettingsLabel = "Language";
var txt_launchRichClientHeaderLabel = "Your meeting client has been started.";
var txt_launchRichClientTextLabel = "If nothing happens, choose another way below.";
var txt_troubleshootingLabel = "Trouble joining?";
var txt_unableToJoinLabel = "Ask whoever invited you.";
var txt_joinUsingReachLink = "Join in the browser";
var txt_onlineHelpLink = "Help";
var txt_copyRightTextLabel = "Plenum conference server";
