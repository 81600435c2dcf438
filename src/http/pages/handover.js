(function(){
var d=document.getElementById("handover").dataset;
history.replaceState(null,"",d.address);
if(opener){opener.postMessage(d.session,location.origin);setTimeout(close,300)}
})()
