// What the other scripts share. Everything here also runs in browsers of 2010.

function isIE() {
    return typeof window.ActiveXObject !== "undefined";
}

function versionOfIE() {
    var found = /MSIE (\d+)\./.exec(navigator.userAgent);
    return found ? parseInt(found[1], 10) : 0;
}

function isIE6() {
    return versionOfIE() === 6;
}

function isIE7() {
    return versionOfIE() === 7;
}

function isIE8() {
    return versionOfIE() === 8;
}

// The query of the page's URL, with its question mark.
function getUrlParameters() {
    return window.location.search || "";
}

// The method as a function that needs no object before its dot.
function Delegate(object, method) {
    return function () {
        return method.apply(object, arguments);
    };
}
