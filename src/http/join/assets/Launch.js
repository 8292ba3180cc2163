// Starts the native client that is installed, or leaves the page to the reader.
//
// The page sets reachURL, escapedXML, showJoinUsingLegacyClientLink, urlCrackingError,
// currentLanguage and browserCanJoin; the texts come from JavaScriptResourceHandler.ashx.

var MINIMUM_CLIENT_VERSION_FOR_W14 = "4.0";

function MainForm() {
}

function isTrue(text) {
    return text.toLowerCase() === "true";
}

function byId(id) {
    return document.getElementById(id);
}

// As text, never as markup.
function setText(id, text) {
    var element = byId(id);
    if (element) {
        while (element.firstChild) {
            element.removeChild(element.firstChild);
        }
        element.appendChild(document.createTextNode(text));
    }
}

function show(id, visible) {
    var element = byId(id);
    if (element && visible) {
        element.removeAttribute("hidden");
    } else if (element) {
        element.setAttribute("hidden", "hidden");
    }
}

// "4.0.1234.5678" is of version "4.0"; what stands before the number does not count.
MainForm.prototype.GetMajorVersion = function (fullVersion) {
    var found = /(\d\.\d)\.\d{4}\.\d+/.exec(fullVersion || "");
    return found ? found[1] : null;
};

// All entities at once: one after the other would unescape "&amp;lt;" twice.
MainForm.prototype.UnEscapeXML = function (text) {
    var meaning = { amp: "&", lt: "<", gt: ">", apos: "'", quot: "\"" };
    return (text || "").replace(/&(amp|lt|gt|apos|quot);/g, function (whole, name) {
        return meaning[name];
    });
};

MainForm.prototype.OnLoad = function () {
    document.documentElement.dir = textDirection;
    if (isTrue(urlCrackingError)) {
        this.ShowError(msgBadMeetingURL);
        return;
    }
    show("legacyClientLink", isTrue(showJoinUsingLegacyClientLink));
    if (isTrue(browserCanJoin)) {
        setText("launchReachLink", txt_joinUsingReachLink);
        byId("launchReachLink").onclick = Delegate(this, this.RedirectToReach);
        if (/[?&]sl=/.test(getUrlParameters())) {
            this.RedirectToReach();
            return;
        }
    }
    if (this.LaunchInstalledClient()) {
        this.ClosePageOnSupportedBrowsers();
    }
};

// Whether one of the clients took the meeting: the first that is installed in the right version.
MainForm.prototype.LaunchInstalledClient = function () {
    var clients = [InstalledClient.OC, InstalledClient.Samara, InstalledClient.AOC];
    var launched = false;
    for (var at = 0; at < clients.length && !launched; at += 1) {
        var loader = new PluginLoader();
        try {
            var plugin = loader.LoadPlugin(GetConfigForClient(clients[at], GetBrowserTag()));
            var version = plugin && this.GetMajorVersion(plugin.GetVersionString());
            if (version === MINIMUM_CLIENT_VERSION_FOR_W14) {
                plugin.LaunchUCClient(this.UnEscapeXML(escapedXML));
                launched = true;
                this.DisplayInstalledClientLaunchedPage(clients[at]);
            }
        } catch (broken) {
            // A plugin that fails is as good as none.
        }
        loader.UnloadPlugin();
    }
    return launched;
};

MainForm.prototype.ShowError = function (message) {
    setText("errorTextLabel", message);
    show("joinLauncherErrorDiv", true);
};

MainForm.prototype.DisplayInstalledClientLaunchedPage = function (client) {
    setText("launchRichClientHeaderLabel", txt_launchRichClientHeaderLabel);
    setText("launchRichClientTextLabel", txt_launchRichClientTextLabel);
    show("launchRichClientDiv", true);
    if (byId("launchReachLink")) {
        // The web client then need not offer to start what runs already.
        var name = client === InstalledClient.AOC ? "aoc" : "oc";
        byId("launchReachLink").href = reachURL + "&launched=" + name;
    }
};

// Opens the web client inside the page, so that the address stays that of the invitation.
MainForm.prototype.RedirectToReach = function () {
    show("mainTable", false);
    show("launchReachDiv", true);
    var frame = byId("launchReachFrame");
    frame.src = byId("launchReachLink").href;
    frame.focus();
    return false;
};

// Only old browsers let a page close itself without asking.
MainForm.prototype.ClosePageOnSupportedBrowsers = function () {
    if (isIE7() || isIE8()) {
        window.open("", "_self");
        window.close();
    } else if (isIE6()) {
        window.opener = window;
        window.close();
    }
};

var mainWindow = new MainForm();
window.onload = Delegate(mainWindow, mainWindow.OnLoad);
